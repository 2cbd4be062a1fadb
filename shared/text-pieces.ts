const encoder = new TextEncoder();

export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Where a piece of at most `most` UTF-16 units ends: never between the halves of a surrogate pair. */
function endOfPiece(text: string, at: number, most: number): number {
  const end = Math.min(text.length, at + most);
  return end < text.length && end - at > 1 && isLowSurrogate(text.charCodeAt(end)) ? end - 1 : end;
}

/** Length of the piece at `at` whose JSON is within `most` bytes: a control character takes six of them there. */
export function lengthOfPiece(text: string, at: number, most: number): number {
  for (let units = most; ;) {
    const piece = text.slice(at, endOfPiece(text, at, units));
    const bytes = encoder.encode(JSON.stringify(piece)).length;
    if (bytes <= most || units <= 2) return piece.length;
    units = Math.max(2, Math.min(units - 1, Math.floor((piece.length * most) / bytes)));
  }
}

/** The text in pieces of at most `most` UTF-16 units, none of which cuts a character. */
export function piecesByUnits(text: string, most: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = endOfPiece(text, at, most);
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

/** The same by bytes of JSON, each with its offset; `offset` is the first one's. */
export function piecesByJson(text: string, most: number, offset: number): { offset: number; data: string }[] {
  const pieces: { offset: number; data: string }[] = [];
  for (let at = 0; at < text.length;) {
    const end = at + lengthOfPiece(text, at, most);
    pieces.push({ offset: offset + at, data: text.slice(at, end) });
    at = end;
  }
  return pieces;
}
