import { AppError } from "../errors.ts";

const maxTries = 6;

/** A batch of reads, until DynamoDB has answered each: it leaves out what would be too much at once. */
export async function readAll<K, R>(
  keys: K[],
  read: (keys: K[]) => Promise<{ data: R[]; unprocessed: unknown[] }>,
): Promise<R[]> {
  const found: R[] = [];
  let left = keys;
  for (let attempt = 0; left.length > 0; attempt += 1) {
    if (attempt === maxTries) throw new AppError("busy");
    const answer = await read(left);
    found.push(...answer.data);
    left = answer.unprocessed as K[];
  }
  return found;
}
