/** One deliberate bug of the protocol: a text in a source file that is replaced where the simulator is bundled. */
export interface Mutant {
  id: string;
  file: string;
  /** Stands in the file exactly once: the list can not rot. */
  find: string;
  replace: string;
  /** What the protocol loses. */
  why: string;
  /** `caught`, or why nobody can tell it from the real thing. */
  expect: "caught" | `harmless: ${string}`;
}

export function applyMutant(text: string, { id, find, replace }: Mutant): string {
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`mutant ${id}: its text stands ${times} times in the file`);
  return text.replace(find, () => replace);
}
