/** Roughly what a tokenizer would count: four bytes a token. */
export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4);
}
