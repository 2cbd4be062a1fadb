import { comparePositions, type Position } from "./session-keys.decisions.ts";

/** A list of rows, newest first: at most `limit` behind a position. `more`: there are others behind them. */
export type Stream<T> = (after: Position | null, limit: number) => Promise<{ rows: T[]; more: boolean }>;

export interface Merging<T, U> {
  streams: Stream<T>[];
  positionOf(row: T): Position;
  /** What becomes of rows: those that a filter drops are left out. */
  select(rows: T[]): Promise<U[]>;
  placeOf(item: U): Position;
  limit: number;
  after: Position | null;
  /** Rows to look at before a short page is answered: a filter that nothing passes must not read a whole tenant. */
  maxExamined: number;
}

export interface MergedPage<U> {
  items: U[];
  /** Where to go on; null at the end. A page may be short, and even empty, before the end. */
  next: Position | null;
}

interface Chunk<T> {
  rows: T[];
  isEnd: boolean;
}

/** The next rows of all streams in their common order: as far as no stream may have rows in between that were not read. */
async function readChunk<T, U>(merging: Merging<T, U>, after: Position | null, size: number): Promise<Chunk<T>> {
  const { positionOf } = merging;
  const read = await Promise.all(merging.streams.map((stream) => stream(after, size)));
  const compare = (a: T, b: T) => comparePositions(positionOf(a), positionOf(b));
  const all = read.flatMap(({ rows }) => rows).sort(compare);
  const ends = read.flatMap(({ rows, more }) => (more ? rows.slice(-1) : []));
  const [horizon] = ends.sort(compare);
  if (horizon === undefined) return { rows: all, isEnd: true };
  return { rows: all.filter((row) => compare(row, horizon) <= 0), isEnd: false };
}

/** Where a filter leaves most rows out, ever more are read at once. */
const maxChunk = 200;

/** One page of several lists as if they were one. */
export async function readMerged<T, U>(merging: Merging<T, U>): Promise<MergedPage<U>> {
  const { positionOf, placeOf, limit, maxExamined } = merging;
  const items: U[] = [];
  let { after } = merging;
  // Several lists rarely have a whole page in one of them: half of one from each is most often enough.
  let size = merging.streams.length > 1 ? Math.ceil(limit / 2) + 1 : limit + 1;
  for (let examined = 0; ; size = Math.min(size * 2, maxChunk)) {
    const { rows, isEnd } = await readChunk(merging, after, size);
    items.push(...(await merging.select(rows)));
    const last = items[limit - 1];
    if (items.length > limit && last) return { items: items.slice(0, limit), next: placeOf(last) };
    const end = rows.at(-1);
    if (isEnd || end === undefined) return { items, next: null };
    after = positionOf(end);
    examined += rows.length;
    if (examined >= maxExamined || items.length === limit) return { items, next: after };
  }
}
