import { rows, type Table } from "../../data/service.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { TransactionEntities, TransactionItem } from "../timeline/timeline.ts";

/** A title has about a dozen; the rest of a longer one is not searched. */
export const maxWords = 16;

const segmenter = new Intl.Segmenter("en", { granularity: "word" });

/** Case, accents and the width of letters make no difference. */
function fold(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();
}

/** The words of a text, each once, in their order; also where a language puts no spaces between them. */
export function wordsOf(text: string): string[] {
  const segments = [...segmenter.segment(text.normalize("NFC"))];
  return [...new Set(segments.filter(({ isWordLike }) => isWordLike).map(({ segment }) => fold(segment)))];
}

/** What is searched of a title. */
export const titleWords = (title: string) => wordsOf(title).slice(0, maxWords);

/** Each word of the question begins some word of the title. */
export function matchesWords(title: string, asked: string[]): boolean {
  const words = titleWords(title);
  return asked.every((begin) => words.some((word) => word.startsWith(begin)));
}

/** For the transaction that makes, changes (`before` and `after`) or removes a title. */
export function wordItems(
  entities: TransactionEntities,
  { tenant_id, session_id }: SessionKey,
  before: string | null,
  after: string | null,
): TransactionItem[] {
  const old = before === null ? [] : titleWords(before);
  const fresh = after === null ? [] : titleWords(after);
  const added = fresh.filter((word) => !old.includes(word));
  const removed = old.filter((word) => !fresh.includes(word));
  return [
    ...added.map((word) => entities.sessionWord.upsert({ tenant_id, word, session_id }).commit()),
    ...removed.map((word) => entities.sessionWord.delete({ tenant_id, word, session_id }).commit()),
  ];
}

async function holders(table: Table, tenant_id: string, begin: string, limit: number): Promise<Set<string> | null> {
  const found = await rows(table)
    .entities.sessionWord.query.byWord({ tenant_id })
    .begins({ word: begin })
    .go({ limit: limit + 1, attributes: ["session_id"] });
  if (found.data.length > limit) return null;
  return new Set(found.data.map(({ session_id }) => session_id));
}

/**
 * The sessions whose title may have all these words, or null where each of them is in more titles than `limit`: then
 * they are found sooner by looking through the latest sessions.
 */
export async function candidatesOf(
  table: Table,
  tenant_id: string,
  asked: string[],
  limit: number,
): Promise<Set<string> | null> {
  const sets = await Promise.all(asked.map((begin) => holders(table, tenant_id, begin, limit)));
  const rare = sets.filter((set) => set !== null);
  const [first, ...others] = rare;
  if (!first) return null;
  return new Set([...first].filter((id) => others.every((set) => set.has(id))));
}
