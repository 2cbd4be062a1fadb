import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";

/** Objects as somebody makes them who does not ask git whether they may be so. */
export class RawRepository {
  readonly bare: string;

  constructor(bare: string) {
    this.bare = bare;
  }

  object(type: "blob" | "tree" | "commit", body: string | Buffer): string {
    const whole = Buffer.concat([Buffer.from(`${type} ${Buffer.byteLength(body)}\0`), Buffer.from(body)]);
    const oid = createHash("sha1").update(whole).digest("hex");
    mkdirSync(join(this.bare, "objects", oid.slice(0, 2)), { recursive: true });
    writeFileSync(join(this.bare, "objects", oid.slice(0, 2), oid.slice(2)), deflateSync(whole, { level: 1 }));
    return oid;
  }

  blob(text: string): string {
    return this.object("blob", text);
  }

  /** Rows exactly in this order, each name of any bytes. */
  tree(...rows: [mode: string, name: string | Buffer, oid: string][]): string {
    const bytes = rows.map(([mode, name, oid]) =>
      Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name), Buffer.from([0]), Buffer.from(oid, "hex")]),
    );
    return this.object("tree", Buffer.concat(bytes));
  }

  commit(tree: string, who = "A <a@example.com> 1700000000 +0000"): string {
    return this.object("commit", `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nhostile\n`);
  }

  /** What the branch is from now on. */
  serve(tree: string, branch = "main"): void {
    this.point(this.commit(tree), branch);
  }

  point(commit: string, branch = "main"): void {
    const path = join(this.bare, "refs/heads", branch);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${commit}\n`);
  }
}

interface HostileRepository {
  name: string;
  /** `marker`: what runs anywhere outside the toolbox makes it. `trap`: where the attacker listens. */
  make: (raw: RawRepository, at: { marker: string; trap: string }) => void;
  branch?: string;
  /** What the refusal says; without it the repository must work. */
  refused?: RegExp;
}

const file = "100644";
const folder = "40000";
const link = "120000";

/** A tree with one entry of a name that must not be. */
function named(name: string | Buffer, inner = false) {
  return (raw: RawRepository): void => {
    const config = raw.blob("[core]\n\tfsmonitor = touch /tmp/never\n");
    raw.serve(inner ? raw.tree([folder, name, raw.tree([file, "config", config])]) : raw.tree([file, name, config]));
  };
}

/** A folder of `count` entries that are all the same object, `levels` times over. */
function repeated(raw: RawRepository, levels: number, count: number, leaf: string, mode = file): string {
  let oid = leaf;
  for (let level = 0; level < levels; level += 1) {
    const of = level === 0 ? mode : folder;
    const rows = Array.from({ length: count }, (_, at): [string, string, string] => [
      of,
      `e${String(at).padStart(4, "0")}`,
      oid,
    ]);
    oid = raw.tree(...rows);
  }
  return oid;
}

const unsafe = /unsafe path|what git refuses/;

export const hostileRepositories: HostileRepository[] = [
  { name: "an entry .git", make: named(".git", true), refused: unsafe },
  { name: "an entry .GIT", make: named(".GIT", true), refused: unsafe },
  { name: "NTFS's short name git~1", make: named("git~1", true), refused: unsafe },
  { name: "NTFS's stream .git::$INDEX_ALLOCATION", make: named(".git::$INDEX_ALLOCATION", true), refused: unsafe },
  { name: "NTFS's dots and spaces", make: named(".git. . ", true), refused: unsafe },
  { name: "what HFS+ takes for .git", make: named(".g\u200cit", true), refused: unsafe },
  { name: "an entry ..", make: named("..", true), refused: unsafe },
  { name: "an entry .", make: named(".", true), refused: unsafe },
  { name: "an absolute name", make: named("/etc/cron.d/evil"), refused: unsafe },
  { name: "a name that leads out", make: named("a/../../evil"), refused: unsafe },
  { name: "an empty name", make: named(""), refused: /empty filename|unsafe path/ },
  {
    name: "a link and a folder of one name",
    make: (raw) =>
      raw.serve(raw.tree([link, "a", raw.blob("/tmp")], [folder, "a", raw.tree([file, "evil", raw.blob("x")])])),
    refused: /duplicateEntries|unsafe path/,
  },
  {
    name: "submodules that name programs and paths",
    make: (raw) => {
      const modules = `[submodule "../../x"]\n\tpath = sub\n\turl = ../../../etc\n`;
      raw.serve(raw.tree([file, ".gitmodules", raw.blob(modules)], ["160000", "sub", "1".repeat(40)]));
    },
    refused: /gitmodules/,
  },
  {
    name: "a submodule of ext:: and one of the attacker's",
    make: (raw, { marker, trap }) => {
      const modules = `[submodule "x"]\n\tpath = sub\n\turl = ext::sh -c touch% ${marker}\n\tupdate = checkout\n[submodule "y"]\n\tpath = other\n\turl = ${trap}/x.git\n`;
      const commit = "1".repeat(40);
      raw.serve(
        raw.tree([file, ".gitmodules", raw.blob(modules)], ["160000", "other", commit], ["160000", "sub", commit]),
      );
    },
  },
  {
    name: "attributes with filters and drivers, and a configuration that names them",
    make: (raw, { marker }) => {
      const config = `[filter "evil"]\n\tsmudge = touch ${marker}\n\tclean = touch ${marker}\n\trequired\n[diff "evil"]\n\tcommand = touch ${marker}\n\ttextconv = touch ${marker}\n[core]\n\tfsmonitor = touch ${marker}\n\tsshCommand = touch ${marker}\n[alias]\n\tcheckout = !touch ${marker}\n`;
      raw.serve(
        raw.tree(
          [
            file,
            ".gitattributes",
            raw.blob("* filter=evil diff=evil merge=evil eol=crlf working-tree-encoding=UTF-16\n"),
          ],
          [file, ".gitconfig", raw.blob(config)],
          [file, "a.txt", raw.blob("a\n")],
        ),
      );
    },
  },
  {
    name: "a bare repository in its tree, with hooks and a poisoned configuration",
    make: (raw, { marker, trap }) => {
      const hook = raw.blob(`#!/bin/sh\ntouch ${marker}\n`);
      const config = `[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsmonitor = touch ${marker}\n\thooksPath = hooks\n[remote "origin"]\n\turl = ${trap}/a.git\n\tpushurl = ${trap}/b.git\n[http]\n\tcorsProxy = ${trap}\n\tproxy = ${trap}\n[url "${trap}/"]\n\tinsteadOf = http://\n[credential]\n\thelper = !touch ${marker}\n`;
      const empty = raw.tree([file, "keep", raw.blob("")]);
      raw.serve(
        raw.tree(
          [file, "HEAD", raw.blob("ref: refs/heads/main\n")],
          [file, "config", raw.blob(config)],
          [
            folder,
            "hooks",
            raw.tree(
              ["100755", "post-checkout", hook],
              ["100755", "pre-push", hook],
              ["100755", "reference-transaction", hook],
            ),
          ],
          [folder, "objects", empty],
          [folder, "refs", empty],
        ),
      );
    },
  },
  {
    name: "links out of the tree",
    make: (raw) =>
      raw.serve(
        raw.tree(
          [link, "abs", raw.blob("/etc/passwd")],
          [link, "proc", raw.blob("/proc/self/environ")],
          [link, "up", raw.blob("../../../..")],
        ),
      ),
  },
  {
    name: "a 100 MB file in a pack of 100 KB",
    make: (raw) =>
      raw.serve(
        raw.tree([file, "a.txt", raw.blob("a")], [file, "zeros", raw.object("blob", Buffer.alloc(100 * 1024 * 1024))]),
      ),
  },
  {
    name: "one 5 MB file a thousand times",
    make: (raw) => raw.serve(repeated(raw, 1, 1000, raw.object("blob", Buffer.alloc(5 * 1024 * 1024)))),
    refused: /over 4 GiB/,
  },
  {
    name: "ten thousand million files in eleven objects",
    make: (raw) => raw.serve(repeated(raw, 10, 10, raw.blob("x"))),
    refused: /more than 300000 files/,
  },
  {
    name: "a million empty files",
    make: (raw) => raw.serve(repeated(raw, 2, 1000, raw.blob(""))),
    refused: /more than 300000 files/,
  },
  {
    name: "folders 10,000 deep",
    make: (raw) => {
      let oid = raw.tree([file, "f", raw.blob("x")]);
      for (let level = 0; level < 10_000; level += 1) oid = raw.tree([folder, "d", oid]);
      raw.serve(oid);
    },
    refused: /too deep/,
  },
  {
    name: "odd names",
    make: (raw) => {
      const names = [
        " ",
        '"quo"',
        "$(touch x)",
        "--upload-pack=touch x",
        "-rf",
        "a\nb",
        "a\tb",
        "back\\slash",
        "cafe\u0301",
        "n".repeat(255),
      ];
      const rows = names.map((name): [string, Buffer, string] => [file, Buffer.from(name), raw.blob(name)]);
      rows.push([file, Buffer.from([0x63, 0x61, 0x66, 0xe9]), raw.blob("latin")]);
      raw.serve(raw.tree(...rows.toSorted(([, a], [, b]) => Buffer.compare(a, b))));
    },
  },
  {
    name: "old sins: a padded mode, a time zone that is none",
    make: (raw) =>
      raw.point(
        raw.commit(
          raw.tree(["040000", "d", raw.tree(["100664", "f", raw.blob("x")])]),
          "A <a@example.com> 1700000000 +051800",
        ),
      ),
  },
  {
    name: "a date beyond all time",
    make: (raw) =>
      raw.point(raw.commit(raw.tree([file, "f", raw.blob("x")]), "A <a@example.com> 99999999999999999999 +0000")),
    refused: /badDateOverflow/,
  },
  {
    name: "a branch whose name is a refspec",
    make: (raw) => raw.serve(raw.tree([file, "f", raw.blob("x")])),
    branch: "main:refs/heads/evil",
    refused: /no name of a branch/,
  },
  {
    name: "a branch whose name is an option",
    make: (raw) => raw.serve(raw.tree([file, "f", raw.blob("x")])),
    branch: "--upload-pack=touch x",
    refused: /no name of a branch/,
  },
  {
    name: "a branch that is called as another's full name",
    make: (raw) => {
      raw.serve(raw.tree([file, "wrong", raw.blob("x")]));
      raw.serve(raw.tree([file, "right", raw.blob("x")]), "refs/heads/main");
    },
    branch: "refs/heads/main",
  },
  {
    name: "pointers to large files at the attacker's",
    make: (raw, { trap }) => {
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;
      raw.serve(
        raw.tree(
          [file, ".gitattributes", raw.blob("*.bin filter=lfs diff=lfs merge=lfs -text\n")],
          [file, ".lfsconfig", raw.blob(`[lfs]\n\turl = ${trap}/lfs\n`)],
          [file, "a.bin", raw.blob(pointer)],
        ),
      );
    },
  },
];
