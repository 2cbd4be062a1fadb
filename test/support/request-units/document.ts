import type { Figure } from "./figures.ts";
import type { Units } from "./meter.ts";

const begin = "<!-- request units: written by `npx tsx scripts/request-units.ts` -->";
const end = "<!-- end of request units -->";

/** US dollars for a million on-demand units, us-east-1, November 2026. */
const dollars = { reads: 0.125, writes: 0.625 };

function costOf({ reads, writes }: Pick<Units, "reads" | "writes">): string {
  return (reads * dollars.reads + writes * dollars.writes).toFixed(2);
}

function rowOf({ call, reads, writes, requests }: Figure): string {
  return `| ${call} | ${reads} | ${writes} | ${requests} | ${costOf({ reads, writes })} |`;
}

/** The document with these figures in the place of its own. */
export function withFigures(document: string, figures: Figure[]): string {
  const [before, rest] = document.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error("the document has no place for request units");
  const head = ["| call | reads | writes | requests | $ for a million calls |", "|---|---|---|---|---|"];
  return `${before}${begin}\n\n${[...head, ...figures.map(rowOf)].join("\n")}\n\n${end}${after}`;
}

/** The figures that the document states. */
export function figuresIn(document: string): Figure[] {
  const table = document.split(begin)[1]?.split(end)[0] ?? "";
  const rows = table.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| call "));
  return rows.map((row) => {
    const [call = "", reads, writes, requests] = row.slice(2).split(" | ");
    return { call, reads: Number(reads), writes: Number(writes), requests: Number(requests) };
  });
}
