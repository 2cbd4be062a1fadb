import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { withFigures } from "../test/support/request-units/document.ts";
import { takeFigures } from "../test/support/request-units/figures.ts";

/** Takes the request units of the commonest calls and writes them into the document that a test holds them to. */
const path = resolve(import.meta.dirname, "../docs/performance.md");
const figures = await takeFigures("team");
writeFileSync(path, withFigures(readFileSync(path, "utf8"), figures));
console.table(figures);
