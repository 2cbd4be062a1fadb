/** What a script says next: a word about it, and tool calls; without any, the turn ends. */
export interface Move {
  words: string;
  calls?: { name: string; input: Record<string, unknown> }[];
}
