/** A text in a source file that is replaced where the simulator is bundled. */
export interface Edit {
  file: string;
  /** Stands in the file exactly once: the list can not rot. */
  find: string;
  replace: string;
}

/** One deliberate bug of the protocol. */
export interface Mutant extends Edit {
  id: string;
  /** Where two guards stand for each other, the other one. */
  also?: readonly Edit[];
  /** What the protocol loses. */
  why: string;
  /** `caught`, or why nobody can tell it from the real thing. */
  expect: "caught" | `harmless: ${string}`;
}

export const editsOf = (mutant: Mutant): readonly Edit[] => [mutant, ...(mutant.also ?? [])];

/** The text of `file` with this mutant's bug in it. */
export function applyMutant(text: string, mutant: Mutant, file: string): string {
  return editsOf(mutant)
    .filter((edit) => edit.file === file)
    .reduce((mutated, edit) => applyEdit(mutated, edit, mutant.id), text);
}

function applyEdit(text: string, { find, replace }: Edit, id: string): string {
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`mutant ${id}: its text stands ${times} times in the file`);
  return text.replace(find, () => replace);
}
