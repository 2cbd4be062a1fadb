import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyFolder, emptyTree } from "../../../containers/sandbox/src/supervisor/git/folder-tree.ts";
import { History } from "../../../containers/sandbox/src/supervisor/git/history.ts";
import { mergeTrees } from "../../../containers/sandbox/src/supervisor/git/merge-trees.ts";
import { ObjectStore } from "../../../containers/sandbox/src/supervisor/git/object-store.ts";
import { sha256Of } from "../../../containers/sandbox/src/supervisor/git/stretch.ts";

const folder = mkdtempSync(join(tmpdir(), "large-packs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const megabyte = 1024 * 1024;

async function storeAt(name: string): Promise<ObjectStore> {
  const store = new ObjectStore(join(folder, name));
  await store.create();
  return store;
}

test("what is much is on the disk until it is put away: it is what git reads", async () => {
  const store = await storeAt("much");
  const history = new History(null, join(folder, "parts"));
  const small = store.put("blob", Buffer.from("small"));
  for (let number = 0; number < 16; number += 1) store.put("blob", randomBytes(megabyte));
  const added = store.takeAdded();
  if (Buffer.isBuffer(added.bytes)) throw new Error("it is held");
  expect(statSync(added.bytes.path).size).toBe(added.bytes.length);
  const next = await history.nextPack(added);
  if (Buffer.isBuffer(next.pack)) throw new Error("it is held");
  expect(next).toMatchObject({ isComplete: true, replaces: [], sha256: await sha256Of(next.pack) });
  const bare = join(folder, "bare");
  execFileSync("git", ["init", "-q", "--bare", bare]);
  execFileSync("git", ["index-pack", "--strict", "--stdin"], { cwd: bare, input: readFileSync(next.pack.path) });
  expect(execFileSync("git", ["cat-file", "blob", small], { cwd: bare }).toString()).toBe("small");

  // Once it is durable, only what a push is made of stays.
  await history.add("1".repeat(40), added, next);
  expect([existsSync(next.pack.path), existsSync(added.bytes.path)]).toEqual([false, true]);
  const pushed = await history.packBetween(null, "1".repeat(40));
  expect(await sha256Of(pushed)).toBe(next.sha256);
  store.close();
});

test("what went into no pack leaves nothing behind, and is new again", async () => {
  const store = await storeAt("forgotten");
  const bodies = Array.from({ length: 9 }, () => randomBytes(megabyte));
  for (const body of bodies) store.put("blob", body);
  const added = store.takeAdded();
  await store.forget(added);
  expect(Buffer.isBuffer(added.bytes) || existsSync(added.bytes.path)).toBe(false);
  for (const body of bodies) store.put("blob", body);
  expect(store.takeAdded().oids).toEqual(added.oids);
  store.close();
});

test("a target branch that brings too much is refused as such, and what came of it is forgotten", async () => {
  const store = await storeAt("refused");
  const blob = store.put("blob", randomBytes(2 * megabyte));
  const entries = Buffer.concat([Buffer.from("100644 big.bin\0"), Buffer.from(blob, "hex")]);
  const theirs = store.put("tree", entries);
  store.put("tree", Buffer.alloc(0));
  await store.forget(store.takeAdded());
  const sides = { base: emptyTree, ours: emptyTree, theirs };
  await expect(mergeTrees(store, sides, emptyFolder, megabyte)).rejects.toMatchObject({ code: "payload_too_large" });
  expect(store.takeAdded().oids).toEqual([]);
  const { folder: merged, conflicts } = await mergeTrees(store, sides, emptyFolder, 3 * megabyte);
  expect([merged.oid, conflicts]).toEqual([theirs, []]);
  store.close();
});
