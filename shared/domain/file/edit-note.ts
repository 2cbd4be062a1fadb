import type { FileEdit } from "../../protocol/file.ts";

const maxNamed = 20;
const verbs: Record<FileEdit["kind"], string> = { written: "wrote", deleted: "deleted", moved: "moved" };

/** How the model is told. Paths are a person's or a program's words: quoted as JSON, they end nothing. */
export function editNote({ changes }: { changes: FileEdit[] }) {
  const named = changes.slice(0, maxNamed).map(({ path, kind }) => `${verbs[kind]} ${JSON.stringify(path)}`);
  const more = changes.length > maxNamed ? `, and ${changes.length - maxNamed} more` : "";
  const text = `[Meanwhile the user ${named.join(", ")}${more} in the workspace. Read these files again before you change them, and keep what the user did.]`;
  return { type: "text" as const, text };
}
