const encoder = new TextEncoder();

/** As many of the first items as fit into so many bytes of JSON. */
export function fitList<T>(items: readonly T[], mostBytes: number): T[] {
  let bytes = 2;
  const fitting: T[] = [];
  for (const item of items) {
    bytes += encoder.encode(JSON.stringify(item)).length + 1;
    if (bytes > mostBytes) break;
    fitting.push(item);
  }
  return fitting;
}
