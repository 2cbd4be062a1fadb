import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";

interface Person {
  name: string;
  email: string;
}

export interface CommitFacts {
  tree: string;
  parent: string | null;
  /** Of a merge: the commit that was merged. */
  merged?: string | undefined;
  author: Person;
  coAuthor: Person;
  message: string;
  /** Seconds since the epoch. */
  atSeconds: number;
}

/** The body of a commit object. */
export function commitBody({ tree, parent, merged, author, coAuthor, message, atSeconds }: CommitFacts): Buffer {
  const who = `${person(author)} ${atSeconds} +0000`;
  const parents = [parent, merged].filter(Boolean).map((oid) => `parent ${oid}`);
  const lines = [`tree ${tree}`, ...parents, `author ${who}`, `committer ${who}`];
  const text = message.replaceAll("\0", "").trim() || "Checkpoint";
  return Buffer.from(`${lines.join("\n")}\n\n${text}\n\nCo-authored-by: ${person(coAuthor)}\n`);
}

/** Characters that would end a field are left out. */
function person({ name, email }: Person): string {
  const clean = (text: string): string => text.replace(/[<>\p{Cc}]/gu, "").trim();
  return `${clean(name) || "unknown"} <${clean(email)}>`;
}

export function commitId(body: Buffer): string {
  return createHash("sha1").update(`commit ${body.length}\0`).update(body).digest("hex");
}

const commitType = 1;
const packVersion = 2;

/** A pack of this one commit. */
export function packOfCommit(body: Buffer): Buffer {
  const start = Buffer.alloc(12);
  start.write("PACK");
  start.writeUInt32BE(packVersion, 4);
  start.writeUInt32BE(1, 8);
  const pack = Buffer.concat([start, entryHeader(body.length), deflateSync(body)]);
  return Buffer.concat([pack, createHash("sha1").update(pack).digest()]);
}

/** Type and length, seven bits a byte after the first four. */
function entryHeader(length: number): Buffer {
  const bytes = [(commitType << 4) | (length & 0x0f)];
  for (let rest = length >> 4; rest > 0; rest >>= 7) {
    bytes.push((bytes.pop() ?? 0) | 0x80, rest & 0x7f);
  }
  return Buffer.from(bytes);
}
