import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { git } from "./support/git-host.ts";
import { credential, lines, mergeWorld } from "./support/merging.ts";

// Each test starts real processes, which a busy machine takes its time for.
jest.setTimeout(60_000);

const world = mergeWorld();
const { host, merge, repository, start, restart, sh, read, saved, merges } = world;

test("what both did comes together as git would do it, in a commit with two parents, pushed, and once", async () => {
  const { bare, commit } = repository("clean");
  await start("clean");
  await sh("sed -i 's/^line 1$/ours/' both.txt; echo new > ours.txt; mkdir d; echo x > d/x; echo ignored > .gitignore");
  const theirs = commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([15, "theirs"]));
    writeFileSync(join(worktree, "theirs.txt"), "theirs\n");
    writeFileSync(join(worktree, ".gitattributes"), "*.txt merge=evil\n");
    rmSync(join(worktree, "gone.txt"));
  });
  expect(await merge("clean")).toEqual({ kind: "merged", target_commit: theirs, pushed_into: false, conflicts: [] });
  expect(read("both.txt")).toBe(lines([1, "ours"], [15, "theirs"]));
  expect(existsSync(join(world.task.workspace, "gone.txt"))).toBe(false);
  const [before] = saved();
  const [taken] = merges();
  expect(before).toMatchObject({ cause: "before", checkpoint: { message: "Before merging main" } });
  expect(taken).toMatchObject({ checkpoint: { message: "Merge main", parent_commit: before?.checkpoint?.commit } });

  // Native git, of the same two commits.
  expect(git(bare, "rev-parse", "work^1", "work^2").split("\n")).toEqual([before?.checkpoint?.commit, theirs]);
  const native = git(bare, "merge-tree", "--write-tree", "work^1", "work^2");
  expect(taken?.checkpoint?.tree).toBe(native);
  expect(git(bare, "rev-parse", "work^{tree}")).toBe(native);
  git(bare, "fsck", "--strict");
  expect(await merge("clean")).toMatchObject({ kind: "up_to_date", target_commit: theirs });

  // A second one goes on from the first, and only what is new is merged.
  await sh("sed -i 's/^theirs$/ours again/' both.txt");
  const later = commit((worktree) => writeFileSync(join(worktree, "later.txt"), "later\n"));
  expect(await merge("clean")).toMatchObject({ kind: "merged", target_commit: later });
  expect(read("both.txt")).toBe(lines([1, "ours"], [15, "ours again"]));
  expect(read("later.txt")).toBe("later\n");
  expect(await world.platform.takeCheckpoint()).toMatchObject({ checkpoint: null, error: null });
});

test("the packs alone bring a merge back in another container, which knows what was merged", async () => {
  const { commit } = repository("again");
  await start("again");
  await sh("echo ours > ours.txt");
  await world.platform.takeCheckpoint();
  commit((worktree) => writeFileSync(join(worktree, "theirs.txt"), "theirs\n".repeat(1000)));
  await merge("again");
  expect(merges()).toHaveLength(1);
  await restart("killed");
  expect(read("theirs.txt")).toBe("theirs\n".repeat(1000));
  expect(await merge("again")).toMatchObject({ kind: "up_to_date" });
  const later = commit((worktree) => writeFileSync(join(worktree, "theirs.txt"), "changed\n"));
  expect(await merge("again")).toMatchObject({ kind: "merged", target_commit: later });
  expect(read("theirs.txt")).toBe("changed\n");
});

test("conflicts are told with both sides and change nothing", async () => {
  const { bare, commit } = repository("conflict");
  await start("conflict");
  await sh(
    "sed -i 's/^line 3$/ours/' both.txt; printf 'a\\0b' > picture.bin; echo changed > gone.txt; echo kept > ours.txt",
  );
  commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([3, "theirs"], [10, "theirs too"]));
    writeFileSync(join(worktree, "picture.bin"), Buffer.from([9, 0, 9]));
    rmSync(join(worktree, "gone.txt"));
  });
  const found = await merge("conflict");
  if ("code" in found) throw new Error(found.code);
  expect(found).toMatchObject({ kind: "conflicts", pushed_into: false });
  const both = found.conflicts.find(({ path }) => path === "both.txt");
  expect(both?.hunks).toEqual(["<<<<<<< session\nours\n=======\ntheirs\n>>>>>>> target"]);
  expect(found.conflicts.map(({ path }) => path).toSorted()).toEqual(["both.txt", "gone.txt", "picture.bin"]);
  expect(read("both.txt")).toBe(lines([3, "ours"]));
  expect(readdirSync(world.task.workspace).toSorted()).toEqual(["both.txt", "gone.txt", "ours.txt", "picture.bin"]);
  expect(merges()).toEqual([]);
  const next = await world.platform.takeCheckpoint({ url: host.url("conflict"), branch: "work", ...credential });
  expect(next).toMatchObject({ checkpoint: null });
  expect(git(bare, "for-each-ref", "refs/heads/work")).not.toContain("merge");
});

test.each(["killed", "stopped"] as const)(
  "conflicts that are being resolved outlive a container that is %s, and become the merge of both parents",
  async (how) => {
    const { bare, commit } = repository(how);
    // As the large hosts do: the next container fetches its base alone, and what was merged is not there.
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true");
    await start(how);
    // Whose name is on what is saved before a stop.
    await world.platform.takeCheckpoint();
    const push = { url: host.url(how), branch: "work", ...credential };
    await sh("sed -i 's/^line 3$/ours/' both.txt");
    const theirs = commit((worktree) => writeFileSync(join(worktree, "both.txt"), lines([3, "theirs"])));
    const found = await merge(how, { keep_conflicts: true });
    expect(found).toMatchObject({ kind: "conflicts" });
    const before = saved().find(({ cause }) => cause === "before")?.checkpoint;
    await sh("echo half > half.txt");
    await restart(how);
    expect(existsSync(join(world.task.workspace, "half.txt"))).toBe(how === "stopped");
    expect(read("both.txt")).toContain("<<<<<<< session\nours\n=======\ntheirs\n>>>>>>> target\n");
    // Without that the container has never seen the target's commit.
    if (how === "stopped") expect(await merge(how, { keep_conflicts: true })).toEqual(found);
    expect(git(bare, "for-each-ref")).not.toContain("work");
    await sh("sed -i -e '/^<<<<<<</d;/^=======/d;/^>>>>>>>/d' both.txt");
    const taken = await world.platform.takeCheckpoint(push);
    expect(taken).toMatchObject({ error: null, push: { status: "pushed" } });
    expect(git(bare, "rev-parse", "work^1", "work^2").split("\n")).toEqual([before?.commit, theirs]);
    // What was saved in between is in nobody's history.
    expect(git(bare, "log", "--format=%s", "work")).not.toContain("Conflicts with");
    git(bare, "fsck", "--strict");
    expect(await merge(how)).toMatchObject({ kind: "up_to_date", target_commit: theirs });
    await sh("echo later > later.txt");
    expect(await world.platform.takeCheckpoint(push)).toMatchObject({
      error: null,
      push: { status: "pushed", branch: "work" },
    });
  },
);

test("what a person changes between the fetch and the merged files is kept aside, and so are both sides", async () => {
  const { commit } = repository("edited");
  await start("edited");
  await sh("sed -i 's/^line 3$/ours/' both.txt");
  commit((worktree) => writeFileSync(join(worktree, "both.txt"), lines([15, "theirs"])));
  // The state of before is on the log by the second fetch.
  host.beforeAnswer = async () => {
    if (saved().length === 0) return;
    host.beforeAnswer = null;
    writeFileSync(join(world.task.workspace, "both.txt"), "meanwhile\n");
    writeFileSync(join(world.task.workspace, "new.txt"), "meanwhile\n");
  };
  expect(await merge("edited")).toMatchObject({ kind: "merged" });
  expect(host.beforeAnswer).toBeNull();
  expect(read("both.txt")).toBe(lines([3, "ours"], [15, "theirs"]));
  expect(read("new.txt")).toBe("meanwhile\n");
  const aside = readdirSync(world.task.workspace).filter((name) => name.startsWith("both") && name !== "both.txt");
  expect(aside.map(read)).toEqual(["meanwhile\n"]);
});

test("conflicts that are to be resolved are in the files; what is made of them is the merge, which the target branch may follow", async () => {
  const { bare, commit } = repository("resolve");
  await start("resolve");
  await sh("sed -i 's/^line 3$/ours/' both.txt");
  const theirs = commit((worktree) => {
    writeFileSync(join(worktree, "both.txt"), lines([3, "theirs"]));
    writeFileSync(join(worktree, "theirs.txt"), "from the target\n");
  });
  const found = await merge("resolve", { keep_conflicts: true });
  expect(found).toMatchObject({ kind: "conflicts" });
  // Who asked died before it heard of them.
  expect(await merge("resolve", { keep_conflicts: true })).toEqual(found);
  expect(read("both.txt")).toContain("<<<<<<< session\nours\n=======\ntheirs\n>>>>>>> target\n");
  await sh("sed -i -e '/^<<<<<<</d;/^=======/d;/^>>>>>>>/d' both.txt");
  const taken = await world.platform.takeCheckpoint({ url: host.url("resolve"), branch: "work", ...credential });
  expect(taken).toMatchObject({ error: null, push: { status: "pushed" } });
  expect(git(bare, "rev-parse", "work^2")).toBe(theirs);
  expect(git(bare, "show", "work:theirs.txt")).toBe("from the target");
  git(bare, "fsck", "--strict");
  expect(await merge("resolve")).toMatchObject({ kind: "up_to_date", target_commit: theirs });

  // The target branch moves to the result where that is asked for.
  expect(await merge("resolve", { into: credential })).toMatchObject({ kind: "up_to_date", pushed_into: true });
  expect(git(bare, "rev-parse", "main")).toBe(git(bare, "rev-parse", "work"));
  expect(host.authorizations).toContain(`Basic ${Buffer.from("robot:one-push").toString("base64")}`);
  expect(await merge("resolve")).toMatchObject({ kind: "up_to_date" });
  // What the target took over is what both have: the same line changed again is no conflict.
  await sh("sed -i 's/^theirs$/ours in the end/' both.txt");
  commit((worktree) => writeFileSync(join(worktree, "more.txt"), "more\n"));
  expect(await merge("resolve")).toMatchObject({ kind: "merged" });
  expect(git(bare, "rev-parse", "work^{tree}")).toBe(git(bare, "merge-tree", "--write-tree", "work^1", "work^2"));
  // A host that does not let it move, as when somebody was quicker.
  const hook = join(bare, "hooks/update");
  writeFileSync(hook, '#!/bin/sh\n[ "$1" != refs/heads/main ]\n', { mode: 0o755 });
  const main = git(bare, "rev-parse", "main");
  expect(await merge("resolve", { into: credential })).toEqual({ code: "conflict" });
  expect(git(bare, "rev-parse", "main")).toBe(main);
  // Nowhere on the disk.
  expect(spawnSync("grep", ["-rlaF", "one-push", world.task.folder]).status).toBe(1);

  for (const target_branch of ["missing", "--upload-pack=x", "../main", "a b"])
    expect(await merge("resolve", { target_branch })).toEqual({ code: "repo_unreachable" });
  expect(await merge("resolve", { url: "http://127.0.0.1:9/none.git" })).toEqual({ code: "repo_unreachable" });
});
