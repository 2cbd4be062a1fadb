/** When a schedule expression is due. */
export type Schedule =
  | { kind: "rate"; everyMs: number }
  /** True for each minute (UTC) in which it is due. */
  | { kind: "cron"; dueAt(minute: Date): boolean };

const unitMs: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/** Parses `rate(1 minute)` and `cron(minutes hours day-of-month month day-of-week year)`. Throws for anything else. */
export function parseSchedule(expression: string): Schedule {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (rate !== null) return { kind: "rate", everyMs: Number(rate[1]) * (unitMs[rate[2] ?? ""] ?? 0) };
  const cron = /^cron\(([^)]+)\)$/.exec(expression)?.[1]?.trim().split(/\s+/);
  if (cron?.length !== 6) throw new Error(`schedule ${expression} is not known on one machine`);
  const [minute = "*", hour = "*", day = "*", month = "*", weekday = "*", year = "*"] = cron;
  const fields = [
    field(minute, 0, 59),
    field(hour, 0, 23),
    field(day, 1, 31),
    field(named(month, months, 1), 1, 12),
    // AWS counts Sunday as 1.
    field(named(weekday, weekdays, 1), 1, 7),
    field(year, 1970, 2199),
  ];
  return {
    kind: "cron",
    dueAt: (at) => {
      const values = [
        at.getUTCMinutes(),
        at.getUTCHours(),
        at.getUTCDate(),
        at.getUTCMonth() + 1,
        at.getUTCDay() + 1,
        at.getUTCFullYear(),
      ];
      return fields.every((includes, index) => includes(values[index] ?? -1));
    },
  };
}

function named(text: string, names: string[], first: number): string {
  return text.replace(/[A-Z]{3}/g, (name) => (names.includes(name) ? String(names.indexOf(name) + first) : name));
}

function field(text: string, min: number, max: number): (value: number) => boolean {
  const parts = text.split(",").map((part) => {
    const found = /^(?:(\*|\?)|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (found === null) throw new Error(`cron field ${part} is not known on one machine`);
    const step = Number(found[4] ?? 1);
    const from = found[2] === undefined ? min : Number(found[2]);
    // `5/15` runs from 5 to the end; a bare `5` is only itself.
    const open = found[2] === undefined || (found[3] === undefined && found[4] !== undefined);
    const to = found[3] === undefined ? (open ? max : from) : Number(found[3]);
    return (value: number) => value >= from && value <= to && (value - from) % step === 0;
  });
  return (value) => parts.some((includes) => includes(value));
}
