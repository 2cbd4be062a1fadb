interface Page<T> {
  data: T[];
  cursor: string | null;
}

/** All pages of a query, in order; null where they hold more than `most`. */
export async function collectPages<T>(
  most: number,
  read: (cursor: string | null) => Promise<Page<T>>,
): Promise<T[] | null> {
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read(cursor);
    found.push(...page.data);
    if (found.length > most) return null;
    cursor = page.cursor;
  } while (cursor);
  return found;
}
