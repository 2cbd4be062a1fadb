interface Person {
  name: string;
  email: string;
}

interface CommitFacts {
  tree: string;
  parent: string | null;
  author: Person;
  coAuthor: Person;
  message: string;
  /** Seconds since the epoch. */
  atSeconds: number;
}

/** The body of a commit object. */
export function commitBody({ tree, parent, author, coAuthor, message, atSeconds }: CommitFacts): Buffer {
  const who = `${person(author)} ${atSeconds} +0000`;
  const lines = [`tree ${tree}`, ...(parent ? [`parent ${parent}`] : []), `author ${who}`, `committer ${who}`];
  const text = message.replaceAll("\0", "").trim() || "Checkpoint";
  return Buffer.from(`${lines.join("\n")}\n\n${text}\n\nCo-authored-by: ${person(coAuthor)}\n`);
}

/** Characters that would end a field are left out. */
function person({ name, email }: Person): string {
  const clean = (text: string): string => text.replace(/[<>\p{Cc}]/gu, "").trim();
  return `${clean(name) || "unknown"} <${clean(email)}>`;
}
