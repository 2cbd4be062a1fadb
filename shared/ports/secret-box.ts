/** Keeps short secrets in the table so that the table alone does not give them. */
export interface SecretBox {
  /** `context` names the row that will hold it: sealed text is worth nothing in another one. */
  seal(text: string, context: string): Promise<string>;
  /** Throws where it was sealed in another context, or under a key that is gone. */
  open(sealed: string, context: string): Promise<string>;
}
