import * as fc from "fast-check";
import { readMerged, type Stream } from "../../../shared/domain/session/merged-page.ts";
import {
  comparePositions,
  positionText,
  readPosition,
  type Position,
} from "../../../shared/domain/session/session-keys.decisions.ts";

const itself = (position: Position) => position;

function streamOf(rows: Position[]): Stream<Position> {
  const sorted = rows.toSorted(comparePositions);
  return async (after, limit) => {
    const rest = after ? sorted.filter((row) => comparePositions(after, row) < 0) : sorted;
    return { rows: rest.slice(0, limit), more: rest.length > limit };
  };
}

async function readAll(streams: Stream<Position>[], limit: number, keep: (row: Position) => boolean, examined = 1e9) {
  const found: Position[] = [];
  let after: Position | null = null;
  let pages = 0;
  do {
    const page: { items: Position[]; next: Position | null } = await readMerged<Position, Position>({
      streams,
      limit,
      after,
      positionOf: itself,
      placeOf: itself,
      select: async (rows) => rows.filter(keep),
      maxExamined: examined,
    });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    after = page.next;
    pages += 1;
  } while (after !== null);
  return { found, pages };
}

const rows = fc
  .uniqueArray(fc.nat(400), { maxLength: 60 })
  .map((ids) => ids.map((id) => ({ at: Math.floor(id / 5), id: String(id) })));

it("pages of several lists are the pages of one, whatever is filtered out", async () => {
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(6),
      async (all, lists, limit, modulus) => {
        const streams = Array.from({ length: lists }, (_, list) =>
          streamOf(all.filter((_row, index) => index % lists === list)),
        );
        const keep = ({ id }: Position) => modulus === 0 || Number(id) % modulus === 0;
        const expected = all.filter(keep).toSorted(comparePositions);
        expect((await readAll(streams, limit, keep)).found).toEqual(expected);
        expect((await readAll(streams, limit, keep, 3)).found).toEqual(expected);
      },
    ),
  );
});

it("looks at no more rows than it may: the page is short, and says where to go on", async () => {
  const all = Array.from({ length: 5000 }, (_, at) => ({ at, id: "x" }));
  const { found, pages } = await readAll([streamOf(all)], 10, ({ at }) => at === 0, 1000);
  expect(found).toEqual([{ at: 0, id: "x" }]);
  expect(pages).toBeGreaterThan(3);
});

it("positions sort as text as they do by time and id", () => {
  const position = fc.record({ at: fc.nat(2 ** 42), id: fc.uuid() });
  fc.assert(
    fc.property(position, position, (a, b) => {
      expect(readPosition(positionText(a))).toEqual(a);
      expect(Math.sign(comparePositions(a, b))).toBe(
        positionText(a) === positionText(b) ? 0 : positionText(a) > positionText(b) ? -1 : 1,
      );
    }),
  );
});
