import * as fc from "fast-check";

/** What happens to a session, as data: a failing list of moves can be read and replayed. */
export type Move =
  | { kind: "turn"; commands: string[] }
  | { kind: "write"; path: string; content: string; executable: boolean }
  | { kind: "delete"; path: string }
  | { kind: "move"; from: string; to: string }
  | { kind: "checkpoint" }
  | { kind: "restore"; to: number; what: "files" | "chat" | "both" }
  | { kind: "stop" }
  | { kind: "kill" }
  | { kind: "fork"; at: number };

const names = ["a.txt", "b", "dir/c.txt", "dir/deep/d.bin", "odd näme 'x'.txt", "B", "keep.log", "out/made"];
const path = fc.constantFrom(...names);
const content = fc.constantFrom("", "one\n", "two\r\nlines\n", "no end", "x".repeat(70_000), "é\u0301\n");
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** In bash, on whatever is there: what cannot be done is not done. */
const command = fc.oneof(
  fc
    .tuple(path, content)
    .map(([to, text]) => `mkdir -p "$(dirname ${quote(to)})"; printf %s ${quote(text)} > ${quote(to)}`),
  path.map((at) => `echo more >> ${quote(at)}`),
  path.map((at) => `rm -rf ${quote(at)}`),
  fc.tuple(path, path).map(([from, to]) => `mkdir -p "$(dirname ${quote(to)})"; mv -T ${quote(from)} ${quote(to)}`),
  path.map((at) => `chmod +x ${quote(at)}`),
  path.map((at) => `chmod -x ${quote(at)}`),
  fc.tuple(path, path).map(([to, at]) => `rm -rf ${quote(at)}; ln -s ${quote(to)} ${quote(at)}`),
  path.map((at) => `rm -rf ${quote(at)}; mkdir -p ${quote(at)}; echo in > ${quote(at)}/in`),
  path.map((at) => `head -c 3000 /dev/urandom > ${quote(at)}`),
  fc.constantFrom("*.log", "out/", "!keep.log", "/dir/deep", "b").map((rule) => `echo '${rule}' >> .gitignore`),
  fc.constantFrom(
    "rm -f .gitignore",
    "rm -rf dir",
    "mkdir -p node_modules/p; echo x > node_modules/p/i.js",
    "for i in $(seq 40); do mkdir -p many/$i; echo $i > many/$i/f; done",
    "rm -rf many",
    "mkdir -p empty/folders",
    "touch -d '2001-01-01' a.txt",
    "mv dir moved; mv moved dir",
    "printf same > a.txt; touch -r b a.txt",
    "git init -q . && git add -A && git -c user.name=x -c user.email=x@x commit -qm own",
    "git gc -q; git checkout -q .",
  ),
);

export const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("turn" as const),
      commands: fc.array(command, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("write" as const), path, content, executable: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("move" as const), from: path, to: path }) },
  { weight: 2, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("restore" as const),
      to: fc.nat(100),
      what: fc.constantFrom("files" as const, "files" as const, "both" as const, "chat" as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "stop" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "kill" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork" as const), at: fc.nat(100) }) },
);
