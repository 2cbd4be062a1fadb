import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSafeName, parseTree, treeBody } from "../../../containers/sandbox/src/supervisor/git/folder-tree.ts";
import { packEntry, packOf, partOf } from "../../../containers/sandbox/src/supervisor/git/pack.ts";
import { bytesOf } from "../../../containers/sandbox/src/supervisor/git/stretch.ts";
import { objectId } from "../../../containers/sandbox/src/supervisor/git/object-store.ts";
import { OpenFolder } from "../../../containers/sandbox/src/supervisor/workspace/open-folder.ts";
import { keepSnapshot, openWorkspace } from "./support/open-workspace.ts";

test("names are looked up below the held folder, wherever its path leads meanwhile", () => {
  const folder = mkdtempSync(join(tmpdir(), "open-"));
  mkdirSync(join(folder, "outside"));
  writeFileSync(join(folder, "outside/file"), "secret");
  mkdirSync(join(folder, "w/dir"), { recursive: true });
  writeFileSync(join(folder, "w/dir/file"), "inside");
  symlinkSync("../outside/file", join(folder, "w/link"));
  const root = OpenFolder.root(join(folder, "w"));
  const dir = root.folder("dir");
  renameSync(join(folder, "w/dir"), join(folder, "w/was"));
  symlinkSync("../outside", join(folder, "w/dir"));
  expect(dir.read("file", 100)?.toString()).toBe("inside");
  expect(root.read("link", 100)).toBeNull();
  expect(() => root.folder("dir")).toThrow(/ENOTDIR|ELOOP/);
  expect(dir.read("file", 3)).toBeNull();
  expect(dir.read("nothing", 3)).toBeNull();
  execFileSync("bash", ["-c", "mkfifo w/pipe"], { cwd: folder });
  expect(root.read("pipe", 100)).toBeNull();
  dir.close();
  root.close();
  rmSync(folder, { recursive: true });
});

test("a folder swapped for a symlink under the checkpoint's feet never lets anything out", async () => {
  const open = await openWorkspace();
  const outside = mkdtempSync(join(tmpdir(), "outside-"));
  writeFileSync(join(outside, "file"), "canary");
  const swap = `while :; do mkdir -p d/e; echo in > d/e/file; rm -rf d; ln -s ${outside} d; rm -f d; mkdir d; ln -s ${outside} d/e; rm -rf d; done`;
  const { spawn } = await import("node:child_process");
  const swapper = spawn("bash", ["-c", swap], { cwd: open.path, stdio: "ignore" });
  const canary = objectId("blob", Buffer.from("canary"));
  for (let round = 0; round < 150; round += 1) await keepSnapshot(open.workspace);
  swapper.kill("SIGKILL");
  expect(await open.workspace.store.has(canary)).toBe(false);
  open.close();
  rmSync(outside, { recursive: true });
}, 60_000);

test("names that git could take for its own folder are refused", () => {
  for (const name of [".git", ".GIT", ".Git", ".git.", ".git ", "git~1", "GIT~2", "", ".", "..", "a/b", "a\0"])
    expect([name, isSafeName(name)]).toEqual([name, false]);
  for (const name of [".gitignore", ".github", "git", "a.git", "..a", "...", "git~"])
    expect([name, isSafeName(name)]).toEqual([name, true]);
});

test("trees and packs are what git reads", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pack-"));
  execFileSync("git", ["init", "-q", "--bare", folder]);
  const bodies = [0, 1, 15, 16, 2047, 2048, 300_000].map((length) => Buffer.alloc(length, "x"));
  const oids = bodies.map((body) => objectId("blob", body));
  const entries = new Map(
    oids.map((oid, index) => [
      index % 2 ? `f${index}` : `d.${index}`,
      { kind: "file" as const, mode: "100644" as const, oid, sizeBytes: 0 },
    ]),
  );
  const tree = treeBody(entries);
  const all = {
    oids: [...oids, objectId("tree", tree)],
    bytes: Buffer.concat([...bodies.flatMap((body) => packEntry("blob", body)), ...packEntry("tree", tree)]),
  };
  const pack = await bytesOf(await packOf([all], join(folder, "unused")));
  execFileSync("git", ["index-pack", "--strict", "--stdin"], { cwd: folder, input: pack });
  const file = { path: join(folder, "again.pack"), from: 0, length: pack.length };
  writeFileSync(file.path, pack);
  expect((await bytesOf((await partOf(file, all.oids)).bytes)).equals(all.bytes)).toBe(true);
  await expect(partOf(file, oids)).rejects.toThrow("does not hold");
  expect(
    parseTree(tree)
      .map(({ oid }) => oid)
      .sort(),
  ).toEqual([...oids].sort());
  expect(() => parseTree(tree.subarray(0, 20))).toThrow("malformed");
  rmSync(folder, { recursive: true });
});
