import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { NativeGit, fsck } from "./support/native-git.ts";
import { keepSnapshot, openWorkspace, type OpenWorkspace } from "./support/open-workspace.ts";

let open: OpenWorkspace;
let git: NativeGit;

beforeEach(async () => {
  open = await openWorkspace();
  git = new NativeGit(open.path);
});
afterEach(() => {
  open.close();
  git.remove();
});

function shell(command: string): void {
  execFileSync("bash", ["-c", `set -e; ${command}`], { cwd: open.path, stdio: ["ignore", "ignore", "inherit"] });
}

/** Each step leaves a state of which ours and git's tree must be one. */
const states: [name: string, ...steps: string[]][] = [
  ["binary files", "printf '\\0\\1\\377\\n\\r' > a; head -c 300000 /dev/urandom > b", "printf '\\0' >> a"],
  ["dangling symlinks", "ln -s nowhere a; ln -s ./loop loop", "rm a; ln -s elsewhere a"],
  ["symlinks to folders", "mkdir d; echo 1 > d/f; ln -s d to-d", "rm to-d; ln -s ../.. to-d; echo 2 > d/f"],
  ["absolute symlinks", "ln -s /etc/passwd p; ln -s /etc e; ln -s / root", "rm e; ln -s /usr e"],
  ["exec bits", "echo x > a; echo y > b; chmod 755 b", "chmod +x a; chmod -x b", "chmod 654 a; chmod 745 b"],
  ["modes beyond the exec bit", "echo x > a; chmod 600 a", "chmod 4755 a", "chmod 0444 a"],
  [
    "unicode in both forms",
    "echo 1 > $'caf\\u00e9'; echo 2 > $'cafe\\u0301'",
    "rm $'caf\\u00e9'; echo 3 > 😀; mkdir 目; echo 4 > 目/録",
  ],
  [
    "names that are no UTF-8",
    "printf 1 > $'caf\\xe9'; printf 2 > ok",
    "mkdir $'d\\xff'; printf 3 > $'d\\xff/f\\x80'",
    "printf 4 > $'d\\xff/f\\x80'; rm $'caf\\xe9'",
  ],
  ["case-only renames", "echo 1 > readme; mkdir Lib; echo 2 > Lib/a", "mv readme README; mv Lib lib", "mv lib/a lib/A"],
  ["deleted folders", "mkdir -p a/b/c; echo 1 > a/b/c/f; echo 2 > a/g", "rm -r a/b", "rm -r a"],
  ["a file becomes a folder", "echo 1 > x", "rm x; mkdir x; echo 2 > x/y", "rm -r x; echo 3 > x"],
  ["a folder becomes a symlink", "mkdir x; echo 1 > x/y", "mv x z; ln -s z x", "rm x; mv z x"],
  ["a file becomes a symlink", "echo 1 > x", "rm x; ln -s y x", "rm x; echo y > x"],
  ["empty folders", "mkdir -p a/b; echo 1 > f", "echo 2 > a/b/c", "rm a/b/c"],
  [
    "names that need quoting",
    "echo 1 > $'new\\nline'; echo 2 > 'quo\"te'; echo 3 > 'back\\slash'; echo 4 > ./-dash; echo 5 > ' space '; echo 6 > $'tab\\t'",
    "rm -- -dash; mkdir -- --; echo 7 > ./--/-rf",
  ],
  ["names that sort oddly", "mkdir a; echo 1 > a/f; echo 2 > a.b; echo 3 > a-b; echo 4 > a0", "rm -r a; echo 5 > a"],
  [
    "the longest names",
    "echo 1 > $(printf 'n%.0s' {1..255}); mkdir -p $(printf 'd%.0s/' {1..40}); echo 2 > $(printf 'd%.0s/' {1..40})f",
  ],
  [
    "ignored at every level",
    "printf '*.log\\n/out\\n' > .gitignore; mkdir -p a/b out; printf '!keep.log\\n' > a/.gitignore; echo 1 | tee x.log a/y.log a/keep.log a/b/keep.log out/f > /dev/null",
    "echo 2 > a/b/z.log; printf '*.log\\n!*.log\\n' > a/b/.gitignore",
    "rm a/b/.gitignore; mkdir a/out; echo 3 > a/out/f",
  ],
  [
    "negation below an ignored folder",
    "printf 'build/*\\n!build/keep\\n' > .gitignore; mkdir -p build/keep build/no; echo 1 | tee build/keep/f build/no/f > /dev/null",
    "printf 'build\\n!build/keep\\n' > .gitignore; echo 2 > build/keep/new",
  ],
  [
    "ignored but tracked",
    "echo 1 > a.log; mkdir d; echo 1 > d/f",
    "printf '*.log\\nd/\\n' > .gitignore; echo 2 > a.log; echo 2 > d/f; echo 2 > d/new",
    "rm a.log d/f",
    "echo 3 > a.log; echo 3 > d/f",
  ],
  ["fifos are skipped", "mkfifo pipe; echo 1 > a", "mkdir d; mkfifo d/pipe", "rm pipe; echo 2 > pipe"],
  ["a nested repository without .git is a folder", "mkdir n; echo 1 > n/f", "echo 2 > n/g"],
  [
    "attributes without conversions",
    "printf '*.bin -text\\n*.x diff=evil merge=evil\\n[attr]mine binary\\n' > .gitattributes; printf 'a\\r\\n' > a.bin; printf 'b\\r\\n' > b.x",
  ],
  [
    "a burst",
    "for d in 1 2 3 4 5; do mkdir -p d$d/e; for f in 1 2 3 4 5 6 7 8; do echo $f > d$d/e/f$f; done; done",
    "rm -r d1 d3/e; mv d2 d1",
  ],
];

test.each(states)("%s", async (_name, ...steps) => {
  for (const step of steps) {
    shell(step);
    const [ours, theirs] = [await keepSnapshot(open.workspace), git.tree()];
    if (ours !== theirs) throw new Error(`after ${step}\n${git.run("ls-files", "-s")}`);
    // A walk of everything finds nothing that the watcher had missed.
    open.workspace.distrust("the test looks");
    expect(await keepSnapshot(open.workspace)).toBe(theirs);
  }
  expect(fsck(open.workspace.store.gitdir)).not.toMatch(/error|missing/);
});

test(".git/info/exclude counts, below every .gitignore, and a change of it at once", async () => {
  const exclude = (lines: string): void => {
    shell(`mkdir -p .git/info; printf '${lines}' >> .git/info/exclude`);
    appendFileSync(join(git.gitdir, "info/exclude"), lines.replaceAll("\\n", "\n"));
  };
  exclude("*.tmp\\n");
  shell("echo 1 > a.tmp; echo 1 > b.tmp; printf '!b.tmp\\n' > .gitignore");
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
  exclude("*.txt\\n");
  shell("echo 2 > new.txt");
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
});

test("a nested repository's files are kept, where git would keep a link to a commit that nobody could fetch", async () => {
  shell("git init -q n; cd n; echo 1 > f; git add f; git -c user.name=a -c user.email=a@b commit -qm x");
  const ours = await keepSnapshot(open.workspace);
  expect(git.run("ls-files", "-s", "n") + git.tree()).not.toContain(ours);
  expect(git.run("ls-files", "-s", "n")).toMatch(/^160000/);
  shell("rm -rf n/.git");
  git.run("rm", "--cached", "-q", "-f", "n");
  expect(git.tree()).toBe(ours);
});

test("no attribute is carried out: a line end stays as it is written", async () => {
  shell("printf '* text=auto eol=crlf filter=evil ident\\n' > .gitattributes; printf 'a\\r\\n$Id$\\n' > a");
  const ours = await keepSnapshot(open.workspace);
  const blob = execFileSync("git", ["cat-file", "blob", `${ours}:a`], { cwd: open.workspace.store.gitdir });
  expect(blob.toString()).toBe("a\r\n$Id$\n");
});

test("sockets are skipped, and what cannot be read stays as it was and is told", async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(join(open.path, "socket"), done));
  shell("echo 1 > a; echo 1 > kept");
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
  server.close();
});

test("files that vanish and change during the walk never break it, and the next one is right", async () => {
  shell("mkdir d; for f in $(seq 300); do echo $f > d/f$f; done");
  const storm =
    "for r in $(seq 30); do rm -rf d/f1* e; mkdir -p e/d; echo $r > e/d/f; mv e d/f2$r 2>/dev/null || true; done";
  const child = new Promise<void>((done) => setImmediate(() => (shell(storm), done())));
  for (let round = 0; round < 10; round += 1) {
    open.workspace.distrust("the test looks");
    await keepSnapshot(open.workspace);
  }
  await child;
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
});

test("folders swapped for links in a loop are not watched each time, and nothing is missed", async () => {
  shell("mkdir -p a/in b/in; echo 1 > a/in/f; echo 2 > b/in/f");
  await keepSnapshot(open.workspace);
  for (let round = 0; round < 10; round += 1) {
    shell("for n in $(seq 15); do mv a x; ln -s b a; rm a; mv x a; done");
    await new Promise((done) => setImmediate(done));
  }
  shell("echo 3 > a/in/f; echo 3 > a/in/new");
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
  shell("echo 4 > a/in/f; echo 4 > b/in/f");
  expect(await keepSnapshot(open.workspace)).toBe(git.tree());
});

test("a 94 MB file is kept with less than 512 MB of memory", () => {
  const program = join(import.meta.dirname, "../../support/sandbox-programs/large-file.ts");
  const run = execFileSync(process.execPath, ["--import", "tsx", program, "94"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const { packBytes, peakMegabytes } = JSON.parse(run.toString()) as { packBytes: number; peakMegabytes: number };
  expect(packBytes).toBeGreaterThan(94 * 1024 * 1024);
  expect(peakMegabytes).toBeLessThan(512);
}, 60_000);

test("a larger one, which git hosts refuse, is left out by name", async () => {
  shell("truncate -s 100M large; echo 1 > small");
  const { snapshot, keep } = await open.workspace.snapshot();
  keep();
  expect(snapshot.leftOut).toEqual(["large"]);
  expect([...snapshot.root.entries.keys()]).toEqual(["small"]);
});
