import { readFileSync } from "node:fs";
import { join } from "node:path";
import { figuresIn } from "../../support/request-units/document.ts";
import { takeFigures, type Figure } from "../../support/request-units/figures.ts";

const stated = figuresIn(readFileSync(join(__dirname, "../../../docs/performance.md"), "utf8"));
const again = "re-take them with `npx tsx scripts/request-units.ts`, and say why";

const difference = (taken: Figure, known: Figure) => {
  const rises = taken.reads > known.reads || taken.writes > known.writes || taken.requests > known.requests;
  return rises
    ? `costs more than docs/performance.md says: ${again}`
    : `costs less than docs/performance.md says: ${again}`;
};

test("the commonest calls cost what docs/performance.md says, no more and no less", async () => {
  const taken = await takeFigures("team");
  expect(taken.map(({ call }) => call)).toEqual(stated.map(({ call }) => call));
  const changed = taken.flatMap((figure) => {
    const known = stated.find(({ call }) => call === figure.call);
    if (!known || JSON.stringify(known) === JSON.stringify(figure)) return [];
    return [{ call: figure.call, says: difference(figure, known), stated: known, taken: figure }];
  });
  expect(changed).toEqual([]);
});
