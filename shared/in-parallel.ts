/** Maps in order, with at most `width` under way at the same time. The first failure is thrown. */
export async function inParallel<T, U>(items: readonly T[], width: number, map: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  const left = items.entries();
  const work = async () => {
    for (const [index, item] of left) results[index] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
  return results;
}
