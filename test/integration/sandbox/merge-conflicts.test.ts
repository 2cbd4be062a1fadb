import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { git } from "./support/git-host.ts";
import { credential, lines, mergeWorld } from "./support/merging.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(60_000);

const world = mergeWorld();
const { host, merge, repository, start, restart, sh, read, saved, merges } = world;

const pushTo = (name: string) => ({ url: host.url(name), branch: "work", ...credential });
const branches = (bare: string) => git(bare, "for-each-ref", "--format=%(refname:short)");
const workspaceTree = (bare: string, folder: string) => {
  const index = ["--git-dir", bare, "--work-tree", folder];
  git(folder, ...index, "read-tree", "--empty");
  git(folder, ...index, "add", "-A");
  return git(folder, ...index, "write-tree");
};

/** Lines that look like git's, and are a page's own. */
const page = "<<<<<<< HEAD\nhow a conflict looks\n=======\nin git\n>>>>>>> branch\n\nTitle\n=======\n";

test("a merge is made once none of its files holds a marker, whatever else is saved meanwhile", async () => {
  const { bare, commit } = repository("markers");
  git(bare, "config", "uploadpack.allowAnySHA1InWant", "true");
  const first = commit((worktree) => {
    for (const name of ["page.md", "kept.txt"]) writeFileSync(join(worktree, name), `${page}${lines()}`);
  });
  await start("markers");
  await sh("sed -i 's/^line 3$/ours/' both.txt page.md; rm gone.txt; printf 'a\\0b' > picture.bin");
  const theirs = commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([3, "theirs"], [15, "theirs too"]));
    writeFileSync(join(worktree, "page.md"), `${page}${lines([3, "theirs"])}`);
    writeFileSync(join(worktree, "gone.txt"), "changed\n");
    writeFileSync(join(worktree, "picture.bin"), Buffer.from([9, 0, 9]));
  });
  expect(await merge("markers", { keep_conflicts: true })).toMatchObject({ kind: "conflicts" });
  const before = saved().find(({ cause }) => cause === "before")?.checkpoint;
  const paths = ["both.txt", "gone.txt", "page.md", "picture.bin"];
  const [conflicts] = merges();
  expect(conflicts?.checkpoint?.merging).toMatchObject({
    commit: theirs,
    onto: before?.commit,
    paths: expect.arrayContaining(paths),
    unresolved: ["both.txt", "page.md"],
    own: { "page.md": 4 },
  });

  /** What a turn leaves that did not come to an end. */
  const half = async (change: string, unresolved: string[]) => {
    await sh(change);
    const head = saved().at(-1)?.checkpoint?.commit ?? world.platform.source.commit;
    const { checkpoint, push, error } = await world.platform.takeCheckpoint(pushTo("markers"));
    expect([checkpoint?.parent_commit, push.status, error]).toEqual([head, "none", null]);
    expect(checkpoint?.merging).toMatchObject({ commit: theirs, onto: before?.commit, unresolved });
    expect(checkpoint?.warning).toBe(`not merged yet, conflicts are left in: ${unresolved.join(", ")}`);
    expect(branches(bare)).not.toContain("work");
  };
  await half("sed -i '/^>>>>>>> target/d;/^<<<<<<< session/d' both.txt", ["both.txt", "page.md"]);
  await half("sed -i '/^=======$/d' both.txt", ["page.md"]);
  await restart("killed");
  await half("echo more > more.txt", ["page.md"]);
  // Resolved is no mark that stays: the same file may be in conflict again.
  await half("printf '<<<<<<< session\\na\\n=======\\nb\\n>>>>>>> target\\n' >> both.txt", ["both.txt", "page.md"]);
  await sh("sed -i '/^<<<<<<< session/,/^>>>>>>> target/d' both.txt page.md");

  const done = await world.platform.takeCheckpoint(pushTo("markers"));
  expect(done).toMatchObject({ error: null, push: { status: "pushed" } });
  expect(done.checkpoint).not.toHaveProperty("merging");
  expect(done.checkpoint).not.toHaveProperty("warning");
  expect(git(bare, "rev-parse", "work^1", "work^2").split("\n")).toEqual([before?.commit, theirs]);
  expect(git(bare, "log", "--format=%H", "work").split("\n")).toContain(first);
  expect(git(bare, "rev-parse", "work^{tree}")).toBe(workspaceTree(bare, world.task.workspace));
  expect(git(bare, "show", "work:page.md")).toContain("=======");
  git(bare, "fsck", "--strict");
  expect(await merge("markers")).toMatchObject({ kind: "up_to_date", target_commit: theirs });
});

test("files without markers are resolved by what they are at the next checkpoint, also where nobody changes them", async () => {
  const { bare, commit } = repository("unmarked");
  await start("unmarked");
  await sh("printf 'a\\0b' > picture.bin; echo changed > gone.txt");
  const theirs = commit((worktree) => {
    writeFileSync(join(worktree, "picture.bin"), Buffer.from([9, 0, 9]));
    rmSync(join(worktree, "gone.txt"));
  });
  const found = await merge("unmarked", { keep_conflicts: true });
  expect(merges().at(-1)?.checkpoint?.merging).toMatchObject({ unresolved: [] });
  // Nobody has looked at them yet: that is no answer to what should become of them.
  expect(await merge("unmarked", { keep_conflicts: true })).toEqual(found);
  const tree = saved().at(-1)?.checkpoint?.tree;
  const taken = await world.platform.takeCheckpoint(pushTo("unmarked"));
  expect(taken).toMatchObject({ checkpoint: { tree }, push: { status: "pushed" } });
  expect(git(bare, "rev-parse", "work^2")).toBe(theirs);
  expect(git(bare, "ls-tree", "--name-only", "work").split("\n")).toEqual(["both.txt", "gone.txt", "picture.bin"]);
});

test("resolved by hand it is made by the next merge; one that is not holds the next merge up", async () => {
  const { bare, commit } = repository("by-hand");
  await start("by-hand");
  await sh("sed -i 's/^line 3$/ours/' both.txt");
  const theirs = commit((worktree) => writeFileSync(join(worktree, "both.txt"), lines([3, "theirs"])));
  const found = await merge("by-hand", { keep_conflicts: true });
  // The target branch goes on meanwhile.
  const later = commit((worktree) => writeFileSync(join(worktree, "later.txt"), "later\n"));
  expect(await merge("by-hand")).toEqual(found);
  expect(found).toMatchObject({ target_commit: theirs });
  writeFileSync(join(world.task.workspace, "both.txt"), lines([3, "both"]));
  expect(await merge("by-hand")).toMatchObject({ kind: "merged", target_commit: later });
  expect(git(bare, "rev-parse", "work^2", "work^1^2").split("\n")).toEqual([later, theirs]);
  expect(git(bare, "show", "work:both.txt")).toBe(lines([3, "both"]).trim());
  expect(git(bare, "show", "work:later.txt")).toBe("later");
  git(bare, "fsck", "--strict");
});

test("killed between the files and the word about them, the next container has the last checkpoint, and merges", async () => {
  const { bare, commit } = repository("killed");
  await start("killed");
  await sh("sed -i 's/^line 3$/ours/' both.txt");
  const last = await world.platform.takeCheckpoint();
  const theirs = commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([15, "theirs"]));
    writeFileSync(join(worktree, "theirs.txt"), "theirs\n");
  });
  // The merged files are there; nothing of them is stored.
  world.platform.unacked.set("sandbox.upload_request", 1000);
  const asked = merge("killed").catch(String);
  await world.platform.next("sandbox.upload_request", ({ purpose }) => purpose === "pack");
  await world.platform.until(() => world.platform.frames.at(-1)?.type === "sandbox.upload_request" || undefined, "it");
  expect([read("theirs.txt"), read("both.txt")]).toEqual(["theirs\n", lines([3, "ours"], [15, "theirs"])]);
  world.task.supervisor?.kill("SIGKILL");
  expect(await asked).toContain("fetch failed");
  expect(merges()).toEqual([]);

  world.platform.unacked.clear();
  await restart("killed");
  expect(workspaceTree(bare, world.task.workspace)).toBe(last.checkpoint?.tree);
  expect(read("both.txt")).toBe(lines([3, "ours"]));
  expect(await merge("killed")).toMatchObject({ kind: "merged", target_commit: theirs });
  expect(git(bare, "rev-parse", "work^1", "work^2").split("\n")).toEqual([last.checkpoint?.commit, theirs]);
  expect(git(bare, "rev-parse", "work^{tree}")).toBe(workspaceTree(bare, world.task.workspace));
});

test("no file changes for a merge that the platform gave up meanwhile; it is said once how it ended", async () => {
  const { commit } = repository("given-up");
  await start("given-up");
  await sh("sed -i 's/^line 3$/ours/' both.txt");
  commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([15, "theirs"]));
    writeFileSync(join(worktree, "large.bin"), randomBytes(100_000));
  });
  const isWord = (frame: { type: string; cause?: string; checkpoint?: unknown }) =>
    frame.type === "sandbox.checkpoint_taken" && frame.cause === "before" && frame.checkpoint === null;
  const over = { code: "conflict" as const, message: "This operation is over" };
  const words = () => world.platform.frames.filter(isWord).length;
  for (const allowed of [0, 1]) {
    world.platform.frames.length = 0;
    world.platform.refuses = (frame) => (isWord(frame) && words() > allowed ? over : null);
    expect(await merge("given-up")).toEqual({ code: "sandbox_unavailable" });
    expect(words()).toBe(allowed + 1);
    expect(read("both.txt")).toBe(lines([3, "ours"]));
    expect(merges()).toEqual([]);
    const said = world.platform.framesOf("sandbox.checkpoint_taken").flatMap((frame) => frame.merge ?? []);
    expect(said).toEqual([{ error: { code: "sandbox_unavailable", message: expect.stringContaining("over") } }]);
  }
  expect(world.platform.framesOf("sandbox.failed")).toEqual([]);
  world.platform.refuses = () => null;
  // Nothing of what was merged goes into the next pack.
  await sh("echo more > more.txt");
  expect((await world.platform.takeCheckpoint()).checkpoint?.pack_bytes).toBeLessThan(10_000);
  // The same asked twice at once is one merge.
  const [one, other] = await Promise.all([
    merge("given-up", { id: "chk_same" }),
    merge("given-up", { id: "chk_same" }),
  ]);
  expect(one).toMatchObject({ kind: "merged" });
  expect(other).toEqual(one);
  expect(merges()).toHaveLength(1);
});
