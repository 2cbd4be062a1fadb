import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type * as z from "zod";
import { inParallel } from "../../../shared/in-parallel.ts";
import type { DoorOp } from "../../../shared/protocol/door.ts";
import { fileOps } from "../../../shared/protocol/file.ts";
import { askDoor } from "../../support/ask-door.ts";
import { FakePlatform } from "./support/fake-platform.ts";
import { SandboxTask } from "./support/sandbox-task.ts";

jest.setTimeout(40_000);

const platform = new FakePlatform();
const task = new SandboxTask();

beforeAll(async () => {
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
}, 30_000);
afterAll(async () => {
  await task.stop();
  platform.stop();
});

function ask<B extends z.ZodType, R extends z.ZodType>(op: DoorOp<B, R>, body: z.input<B>): Promise<z.output<R>> {
  return askDoor({ port: task.previewPort, key: platform.controlKey }, op, body);
}

const at = (path: string) => join(task.workspace, path);
const write = (path: string, content: string, if_hash: string | null = null) =>
  ask(fileOps.write, { path, content, if_hash });
const read = (path: string, more: { offset?: number; length?: number; encoding?: "utf8" | "base64" } = {}) =>
  ask(fileOps.read, { path, offset: 0, length: 1000, ...more });
const gitHash = (content: string | Buffer) =>
  execFileSync("git", ["hash-object", "--stdin"], { input: content }).toString().trim();
const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

describe("reading and writing", () => {
  it("writes, reads and lists; the hash is git's own", async () => {
    const content = "héllo \u{1F600}\r\n";
    const written = await write("src/deep/hello.txt", content);
    expect(written).toEqual({
      path: "src/deep/hello.txt",
      hash: gitHash(content),
      size: Buffer.byteLength(content),
      created: true,
    });
    expect(await read("src/deep/hello.txt")).toMatchObject({
      content,
      encoding: "utf8",
      hash: written.hash,
      truncated: false,
    });
    const { entries } = await ask(fileOps.list, { path: "src", depth: 2, limit: 10 });
    expect(entries.map(({ path, kind }) => [path, kind])).toEqual([
      ["src/deep", "folder"],
      ["src/deep/hello.txt", "file"],
    ]);
  });

  it("bytes that are no text come as base64, parts by offset and length", async () => {
    const bytes = Buffer.from([0, 255, 254, 10, 200]);
    writeFileSync(at("raw"), bytes);
    const whole = await read("raw");
    expect(whole).toMatchObject({ encoding: "base64", content: bytes.toString("base64"), hash: gitHash(bytes) });
    expect(await read("raw", { offset: 1, length: 2 })).toMatchObject({
      content: bytes.subarray(1, 3).toString("base64"),
      length: 2,
      size: 5,
      truncated: true,
    });
    expect(await read("raw", { offset: 9 })).toMatchObject({ content: "", length: 0 });
  });

  it("whoever expected something else is told what there is; nothing is overwritten", async () => {
    const { hash } = await write("a.txt", "one");
    await write("a.txt", "two", hash);
    await expect(write("a.txt", "three", hash)).rejects.toMatchObject({
      code: "file_conflict",
      details: { expected: hash, current: { hash: gitHash("two"), size: 3, content: "two", encoding: "utf8" } },
    });
    await expect(write("a.txt", "three")).rejects.toMatchObject({ code: "file_conflict" });
    const gone = { code: "file_conflict", details: { expected: hash, current: null } };
    await expect(write("not/there.txt", "x", hash)).rejects.toMatchObject(gone);
    expect(readFileSync(at("a.txt"), "utf8")).toBe("two");
  });

  it("the same request twice changes nothing the second time; of many at once one is first", async () => {
    const { hash } = await write("same.txt", "v1");
    const again = () => write("same.txt", "v2", hash);
    expect(await again()).toMatchObject({ hash: gitHash("v2"), created: false });
    expect(await again()).toMatchObject({ hash: gitHash("v2"), created: false });
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const won = await inParallel(numbers, 20, (n) =>
      write("same.txt", `by ${n}`, gitHash("v2")).then(
        () => 1,
        () => 0,
      ),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
  });

  it("keeps permissions, and sets the one of programs", async () => {
    writeFileSync(at("tool.sh"), "#!/bin/sh\n");
    chmodSync(at("tool.sh"), 0o750);
    await ask(fileOps.write, { path: "tool.sh", content: "#!/bin/sh\necho 1\n", if_hash: "*" });
    expect(statSync(at("tool.sh")).mode & 0o777).toBe(0o750);
    await ask(fileOps.write, { path: "new.sh", content: "", if_hash: null, executable: true });
    expect(statSync(at("new.sh")).mode & 0o111).toBe(0o111);
    expect(await platform.runTool("bash", { command: "chmod 600 new.sh && ./tool.sh" })).toMatchObject({ output: "1" });
  });

  it("moves and deletes, not over what is there, and folders only when told", async () => {
    await write("from/a.txt", "a");
    await write("to.txt", "b");
    const move = (from: string, to: string, overwrite = false) => ask(fileOps.move, { from, to, overwrite });
    await expect(move("from/a.txt", "to.txt")).rejects.toMatchObject({ code: "conflict" });
    await move("from/a.txt", "to.txt", true);
    expect(readFileSync(at("to.txt"), "utf8")).toBe("a");
    await move("to.txt", "other/deep/to.txt");
    await expect(move("other", "other/deep/inside")).rejects.toMatchObject({ code: "path_not_allowed" });
    await expect(ask(fileOps.delete, { path: "other" })).rejects.toMatchObject({ code: "conflict" });
    const wrong = ask(fileOps.delete, { path: "other/deep/to.txt", if_hash: gitHash("b") });
    await expect(wrong).rejects.toMatchObject({ code: "file_conflict" });
    await ask(fileOps.delete, { path: "other", recursive: true });
    await expect(ask(fileOps.delete, { path: "other" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("finds text and names, as gitignore lets it", async () => {
    await write(".gitignore", "ignored/\n");
    await write("ignored/x.txt", "needle here");
    await write("found/y.txt", "first\nA Needle in (it)\n");
    const search = (more: object) => ask(fileOps.search, { q: "needle", ...more });
    const found = await search({});
    expect(found).toMatchObject({ truncated: false });
    expect(found.matches).toEqual([{ path: "found/y.txt", line: 2, text: "A Needle in (it)" }]);
    expect((await search({ case_sensitive: true })).matches).toEqual([]);
    expect((await search({ q: "(it)" })).matches).toHaveLength(1);
    expect((await search({ in: "names", q: "FOUND/" })).matches).toEqual([
      { path: "found/y.txt", line: null, text: null },
    ]);
    if (found.engine !== "ripgrep") return;
    expect((await search({ q: "n[e]+dle", regex: true, path: "found" })).matches).toHaveLength(1);
    await expect(search({ q: "(", regex: true })).rejects.toMatchObject({ code: "validation_failed" });
    expect((await search({ q: "-e", globs: ["*.txt"] })).matches).toEqual([]);
  });
});

describe("large files", () => {
  it("an upload is fetched into its place once, under the same rule", async () => {
    const bytes = randomBytes(3_000_000);
    platform.objects.set("uploaded", bytes);
    const body = { path: "big/data.bin", length: bytes.length, sha256: sha256(bytes), if_hash: null };
    const fetch = (more: object = {}) => ask(fileOps.fetch, { ...body, url: platform.urlOf("uploaded"), ...more });
    expect(await fetch()).toMatchObject({ hash: gitHash(bytes), size: bytes.length, created: true });
    expect(readFileSync(at("big/data.bin")).equals(bytes)).toBe(true);
    expect(await fetch()).toMatchObject({ created: false });
    writeFileSync(at("big/data.bin"), "of somebody else");
    await expect(fetch()).rejects.toMatchObject({ code: "file_conflict" });
    const forged = fetch({ path: "forged", sha256: "0".repeat(64) });
    await expect(forged).rejects.toMatchObject({ code: "validation_failed" });
    await expect(fetch({ path: "../out" })).rejects.toMatchObject({ code: "path_not_allowed" });
  });

  it("a download and an archive are put into object storage whole", async () => {
    const bytes = randomBytes(2_500_000);
    writeFileSync(at("big-out.bin"), bytes);
    const sent = await ask(fileOps.send, { path: "big-out.bin" });
    expect(sent).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    expect(platform.objects.get(sent.key)?.equals(bytes)).toBe(true);
    mkdirSync(at("node_modules/x"), { recursive: true });
    writeFileSync(at("node_modules/x/y"), "left out");
    const archive = await ask(fileOps.archive, { path: "" });
    const listed = execFileSync("tar", ["tzf", "-"], { input: platform.objects.get(archive.key) }).toString();
    expect(listed).toContain("./big-out.bin");
    expect(listed).not.toMatch(/node_modules|\.sandbox-tmp/);
  });
});

describe("who changed what", () => {
  const seen = (path: string) =>
    platform.framesOf("sandbox.files_changed").filter(({ changes }) => changes.some((one) => one.path === path));
  const next = (path: string) =>
    platform.next("sandbox.files_changed", ({ changes }) => changes.some((one) => one.path === path));
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 400));

  it("a person's, the model's, a process's", async () => {
    await quiet();
    await write("mine.txt", "x");
    expect(await next("mine.txt")).toMatchObject({ by: "user", more: 0 });
    await platform.runTool("bash", { command: "echo y > its.txt; sleep 0.4" });
    expect(await next("its.txt")).toMatchObject({ by: "assistant" });
    await quiet();
    writeFileSync(at("theirs.txt"), "z");
    expect(await next("theirs.txt")).toMatchObject({ by: "process" });
    expect(seen("mine.txt").every(({ by }) => by === "user")).toBe(true);
  });

  it("a change is told at once after a quiet time", async () => {
    const took: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await quiet();
      const startedAt = performance.now();
      writeFileSync(at(`timed-${round}.txt`), "x");
      await next(`timed-${round}.txt`);
      took.push(performance.now() - startedAt);
    }
    console.info("change to frame, ms:", took.map((ms) => ms.toFixed(1)).join(" "));
    // The goal is 20 ms; other work on this machine is not what is tested.
    expect(Math.min(...took)).toBeLessThan(60);
  });

  it("10,000 files of an install are a handful of frames", async () => {
    await quiet();
    const before = platform.framesOf("sandbox.files_changed").length;
    const command = `mkdir -p vendor && cd vendor && for d in $(seq 100); do mkdir d$d; for f in $(seq 100); do : > d$d/f$f; done; done`;
    await platform.runTool("bash", { command });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const frames = platform.framesOf("sandbox.files_changed").slice(before);
    const told = frames.reduce((sum, { changes, more }) => sum + changes.length + more, 0);
    console.info(`${frames.length} frames for ${told} changes`);
    expect(frames.length).toBeLessThanOrEqual(12);
    expect(told).toBeGreaterThan(5000);
    expect(frames.some(({ more }) => more > 0)).toBe(true);
  });
});

describe("a person's edit while the model works", () => {
  it("is not overwritten by a whole write, once, with the reason; after a read it may be", async () => {
    await platform.runTool("write", { file_path: "shared.txt", content: "by the model" });
    await write("shared.txt", "by the person", gitHash("by the model"));
    const refused = await platform.runTool("write", { file_path: at("shared.txt"), content: "again by the model" });
    expect(refused).toMatchObject({ is_error: true });
    expect(refused.output).toContain("The user has edited shared.txt since you last read it");
    expect(readFileSync(at("shared.txt"), "utf8")).toBe("by the person");
    expect(await platform.runTool("write", { file_path: "shared.txt", content: "merged" })).toMatchObject({
      is_error: false,
    });
    await write("shared.txt", "newer", gitHash("merged"));
    await platform.runTool("read", { file_path: "shared.txt" });
    expect(await platform.runTool("write", { file_path: "shared.txt", content: "seen" })).toMatchObject({
      is_error: false,
    });
  });

  it("an edit of the model finds what it replaces, or fails by itself", async () => {
    await write("edited.txt", "line one\nline two\n");
    const edit = { file_path: "edited.txt", old_string: "line one", new_string: "line 1" };
    expect(await platform.runTool("edit", edit)).toMatchObject({ is_error: false });
    expect(await platform.runTool("edit", edit)).toMatchObject({ is_error: true });
    expect(readFileSync(at("edited.txt"), "utf8")).toBe("line 1\nline two\n");
  });
});
