/** A secret that is rotated, as those see it who sign and verify with it (ADR 0016). */
export interface RotatedSecret {
  /** What signs now: a new text only when every process knows it. */
  signing(): Promise<string>;
  /** What may have signed. The text before the current one is read only when it is asked for. */
  candidates(): AsyncIterable<string>;
}

/** Whether one of the texts that may have signed did. */
export async function matchesAny(
  secret: Pick<RotatedSecret, "candidates">,
  matches: (text: string) => boolean,
): Promise<boolean> {
  for await (const text of secret.candidates()) {
    if (matches(text)) return true;
  }
  return false;
}
