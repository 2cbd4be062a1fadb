import fc from "fast-check";
import { csvField, usageCsv } from "../../../shared/domain/usage/csv.ts";
import { daysBetween, monthsBetween, nextDay } from "../../../shared/domain/usage/usage.decisions.ts";

/** One field of RFC 4180, read back. */
function unquote(field: string): string {
  if (!/[",\r\n]/.test(field)) return field;
  const quoted = /^"((?:[^"]|"")*)"$/.exec(field);
  if (!quoted) throw new Error(`not a field: ${field}`);
  return (quoted[1] ?? "").replaceAll('""', '"');
}

test("any text comes back as it was, but for what a spreadsheet would run", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", '"', ",", "\r", "\n", "=", "-", "@", "+", "\t", "é", " ") }),
      (text) => {
        const read = unquote(csvField(text));
        const isFormula = ["=", "+", "-", "@", "\t", "\r"].some((first) => text.startsWith(first));
        expect(read).toBe(isFormula ? `'${text}` : text);
      },
    ),
    { numRuns: 1000 },
  );
});

test("numbers are numbers, also below zero; what is absent is empty", () => {
  expect([csvField(0), csvField(-5), csvField(null), csvField(undefined)]).toEqual(["0", "-5", "", ""]);
});

test("no usage is a header alone", () => {
  expect(usageCsv([], ["user"])).toBe(
    "user_id,model_calls,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,sandbox_seconds,cost_micro_usd,unpriced_calls\r\n",
  );
});

test("months and days of a range, over the end of a year and in a leap year", () => {
  expect(monthsBetween("2026-11-30", "2027-02-01")).toEqual(["2026-11", "2026-12", "2027-01", "2027-02"]);
  expect(monthsBetween("2026-11-30", "2026-11-30")).toEqual(["2026-11"]);
  expect(nextDay("2028-02-28")).toBe("2028-02-29");
  expect(nextDay("2026-12-31")).toBe("2027-01-01");
  expect(daysBetween("2028-01-01", "2028-12-31")).toBe(366);
});
