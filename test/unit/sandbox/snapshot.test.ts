import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { NativeGit, fsck } from "./support/native-git.ts";
import { type OpenWorkspace, keepSnapshot, openWorkspace } from "./support/open-workspace.ts";

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

function write(path: string, content: string | Buffer = path): void {
  mkdirSync(dirname(join(open.path, path)), { recursive: true });
  writeFileSync(join(open.path, path), content);
}

function shell(command: string): void {
  execFileSync("bash", ["-c", command], { cwd: open.path, stdio: "ignore" });
}

async function expectSameTree(): Promise<void> {
  const ours = await keepSnapshot(open.workspace);
  const theirs = git.tree();
  if (ours !== theirs) throw new Error(`other tree than git's: ${git.run("ls-files", "-s")}`);
  expect(ours).toBe(theirs);
}

test("files, folders, modes, links and deletions make the tree that git makes", async () => {
  write("a.txt");
  write("src/deep/er/b.txt");
  write("src.txt");
  write("src-2/x");
  write("run.sh", "#!/bin/sh\n");
  chmodSync(join(open.path, "run.sh"), 0o755);
  symlinkSync("a.txt", join(open.path, "link"));
  symlinkSync("/etc/passwd", join(open.path, "outside"));
  mkdirSync(join(open.path, "empty/in/empty"), { recursive: true });
  write("bytes", Buffer.from([0, 255, 10, 13]));
  await expectSameTree();

  chmodSync(join(open.path, "run.sh"), 0o644);
  unlinkSync(join(open.path, "link"));
  write("link", "a file now");
  rmSync(join(open.path, "src"), { recursive: true });
  write("src", "a file now");
  renameSync(join(open.path, "src-2"), join(open.path, "moved"));
  await expectSameTree();

  unlinkSync(join(open.path, "src"));
  write("src/again/file");
  shell("mv moved/x a.txt && rm -rf empty && mkfifo pipe");
  await expectSameTree();

  shell("find . -mindepth 1 -delete");
  await expectSameTree();
  expect(fsck(open.workspace.store.gitdir)).not.toMatch(/error|missing/);
});

test("a folder made and filled at once is never missed, nor what is written in it later", async () => {
  for (let round = 0; round < 20; round += 1) shell(`mkdir -p d${round}/b/c && echo hi > d${round}/b/c/f`);
  await expectSameTree();
  for (let round = 0; round < 20; round += 1) write(`d${round}/b/c/f`, "changed later");
  await expectSameTree();
  shell("mv d0 d1/moved && echo x > d1/moved/b/c/f && mv d2 d0 && echo y > d0/b/c/g");
  await expectSameTree();
  shell("rm -rf d3 && mkdir -p d3/b/c && echo z > d3/b/c/f");
  await expectSameTree();
  write("d3/b/c/f", "and again");
  await expectSameTree();
});

test(".gitignore is honoured at any depth, tracked files stay tracked, and changed rules count at once", async () => {
  write("tracked.log");
  write("lib/keep.js");
  write("node_modules/p/index.js");
  await expectSameTree();
  write(".gitignore", "*.log\nbuild/\n");
  write("other.log");
  write("build/out.js");
  write("tracked.log", "changed, and still tracked");
  write("lib/.gitignore", "secret\n");
  write("lib/secret");
  await expectSameTree();
  write("build/more.js");
  write(".gitignore", "*.log\n");
  await expectSameTree();
  write("build/more.js", "watched now");
  unlinkSync(join(open.path, "lib/.gitignore"));
  await expectSameTree();
});

test("a nested repository's files are taken, its .git is not", async () => {
  write("vendor/x.js");
  write("vendor/.git/config", "[remote]");
  write(".git/config", "[remote]");
  write(".GIT/config", "[remote]");
  const ours = await keepSnapshot(open.workspace);
  rmSync(join(open.path, "vendor/.git"), { recursive: true });
  rmSync(join(open.path, ".git"), { recursive: true });
  rmSync(join(open.path, ".GIT"), { recursive: true });
  expect(ours).toBe(git.tree());
});

test("what was not kept is due again", async () => {
  write("a");
  const first = await open.workspace.snapshot();
  first.undo();
  const second = await open.workspace.snapshot();
  expect(second.snapshot.root.oid).toBe(first.snapshot.root.oid);
  second.keep();
  const third = await open.workspace.snapshot();
  expect(third.snapshot.differences).toEqual([]);
  expect(third.snapshot.root).toBe(second.snapshot.root);
});

test("a folder that turns into a symlink leads nowhere", async () => {
  write("dir/file", "inside");
  await keepSnapshot(open.workspace);
  shell("rm -rf dir && ln -s /etc dir");
  await expectSameTree();
});

test("any sequence of changes ends in git's tree", async () => {
  const path = fc.constantFrom("a", "b", "d/a", "d/b", "d/e/f", "d/e/g.log", "x/y/z", "a/inner", "b/c");
  const step = fc.oneof(
    fc.record({ do: fc.constant("write" as const), path, to: fc.constantFrom("1", "22", "") }),
    fc.record({ do: fc.constant("remove" as const), path, to: fc.constant("") }),
    fc.record({ do: fc.constant("move" as const), path, to: path }),
    fc.record({
      do: fc.constant("ignore" as const),
      path: fc.constantFrom("", "d/"),
      to: fc.constantFrom("*.log\n", "e/\n", ""),
    }),
    fc.record({ do: fc.constant("snapshot" as const), path, to: fc.constant("") }),
  );
  const act = {
    write: "mkdir -p $(dirname P) && printf T > P",
    remove: "rm -rf P",
    move: "mkdir -p $(dirname T) && mv -T P T",
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      for (const { do: what, path: at, to } of steps) {
        if (what === "snapshot") await expectSameTree();
        else if (what === "ignore") shell(`mkdir -p ./${at} && printf '${to}' > ./${at}.gitignore`);
        else shell(`(${act[what].replaceAll("P", at).replaceAll("T", to || "''")}) 2>/dev/null || true`);
      }
      await expectSameTree();
    }),
    { numRuns: 25 },
  );
}, 60_000);
