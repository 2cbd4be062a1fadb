import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type * as z from "zod";
import type { DoorOp } from "../../../shared/protocol/door.ts";
import { fileOps } from "../../../shared/protocol/file.ts";
import { FakePlatform } from "../../integration/sandbox/support/fake-platform.ts";
import { SandboxTask } from "../../integration/sandbox/support/sandbox-task.ts";
import { askDoor } from "../../support/ask-door.ts";
import { hostilePaths, links } from "./hostile-paths.ts";

jest.setTimeout(60_000);

/**
 * Without any confinement: what the file API would let out, it could reach here. The task's processes may read all of this
 * machine, so that nothing but the walk from descriptor to descriptor keeps a path inside.
 */
const platform = new FakePlatform();
const task = new SandboxTask();
const outside = join(task.folder, "outside");
const secret = "canary-of-the-outside-7f3a";
let socket: Server;

function ask<B extends z.ZodType, R extends z.ZodType>(op: DoorOp<B, R>, body: z.input<B>): Promise<z.output<R>> {
  return askDoor({ port: task.previewPort, key: platform.controlKey }, op, body);
}

/** Everything outside the workspace that an escape would change or show. */
function fingerprint(): string {
  const seen: string[] = [];
  const look = (folder: string): void => {
    for (const name of readdirSync(folder).toSorted()) {
      const path = join(folder, name);
      const found = lstatSync(path);
      seen.push(`${path} ${found.mode} ${found.nlink} ${found.isFile() ? readFileSync(path, "utf8") : ""}`);
      if (found.isDirectory()) look(path);
    }
  };
  look(outside);
  return seen.join("\n");
}

/** As people's code may leave the workspace at any moment. */
function prepare(): void {
  for (const name of readdirSync(task.workspace)) rmSync(join(task.workspace, name), { recursive: true, force: true });
  const link = (name: string, target: string): void => symlinkSync(target, join(task.workspace, name));
  mkdirSync(join(task.workspace, "dir"));
  writeFileSync(join(task.workspace, "dir", "plain.txt"), "inside\n");
  link("out", outside);
  link("out-file", join(outside, "secret"));
  link("abs", "/etc");
  link("proc", "/proc");
  link("self-fd", "/proc/self/fd");
  link("dev", "/dev");
  link("loop", "loop");
  link("up", "..");
  link("chain", "out");
  link("dangling", join(outside, "not-there"));
  link("root", "/");
  link("inner", "dir");
  execFileSync("/bin/sh", ["-c", 'mkfifo "$0"', join(task.workspace, "fifo")]);
  linkSync(join(task.workspace, "dir", "plain.txt"), join(task.workspace, "hard"));
}

beforeAll(async () => {
  mkdirSync(outside);
  mkdirSync(join(outside, "a"));
  writeFileSync(join(outside, "secret"), secret);
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
  socket = createServer();
});
afterAll(async () => {
  socket.close();
  await task.stop();
  platform.stop();
});

interface Outcome {
  path: string;
  op: string;
  said: string;
}

async function tell(op: string, path: string, asking: Promise<unknown>): Promise<Outcome> {
  const said = await asking.then(
    (result) => JSON.stringify(result),
    (error: { code?: string; message: string; details?: unknown }) => {
      const { code = "none", message, details } = error;
      return `refused ${code} ${message} ${JSON.stringify(details ?? null)}`;
    },
  );
  return { op, path, said };
}

const isLink = (path: string) => links.some((link) => path === link || path.startsWith(`${link}/`));

async function tryAll(path: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const attempt = async (op: string, asking: Promise<unknown>) => outcomes.push(await tell(op, path, asking));
  await attempt("list", ask(fileOps.list, { path, depth: 3, limit: 50 }));
  await attempt("read", ask(fileOps.read, { path, offset: 0, length: 1000 }));
  // A folder that is none is refused before anything is searched: links are what could lead astray.
  if (isLink(path)) await attempt("search", ask(fileOps.search, { q: "canary", path }));
  await attempt("write", ask(fileOps.write, { path, content: "written by a guest", if_hash: "*" }));
  await attempt("write new", ask(fileOps.write, { path, content: "written by a guest", if_hash: null }));
  await attempt("move from", ask(fileOps.move, { from: path, to: "dir/stolen" }));
  await attempt("read stolen", ask(fileOps.read, { path: "dir/stolen", offset: 0, length: 1000 }));
  await attempt("move to", ask(fileOps.move, { from: "dir/plain.txt", to: path, overwrite: true }));
  await attempt("delete", ask(fileOps.delete, { path, recursive: true }));
  return outcomes;
}

it("has more than 200 hostile paths", () => {
  expect(new Set(hostilePaths).size).toBeGreaterThan(200);
});

it("no path leads out, to read or to write, whatever the operation", async () => {
  const before = fingerprint();
  const escapes: Outcome[] = [];
  const codes = new Set<string>();
  for (const path of hostilePaths) {
    prepare();
    for (const outcome of await tryAll(path)) {
      if (/canary-of-the|root:|PATH=|BOOT_SECRET/.test(outcome.said)) escapes.push(outcome);
      codes.add(/^refused (\w+)/.exec(outcome.said)?.[1] ?? "done");
    }
    if (fingerprint() !== before) escapes.push({ path, op: "changed the outside", said: "" });
  }
  expect(escapes).toEqual([]);
  // Nothing was refused because it failed on the way: `internal` would hide what happened.
  const known = ["busy", "conflict", "done", "not_found", "path_not_allowed", "validation_failed"];
  expect([...codes].toSorted().filter((code) => !known.includes(code))).toEqual([]);
});

it("links are shown and never followed; fifos, sockets and hard links are what they are", async () => {
  prepare();
  await new Promise<void>((resolve) => socket.listen(join(task.workspace, "socket"), resolve));
  const { entries } = await ask(fileOps.list, { path: "", depth: 5, limit: 100 });
  const kinds = Object.fromEntries(entries.map(({ path, kind }) => [path, kind]));
  expect(kinds).toMatchObject({ out: "symlink", inner: "symlink", fifo: "other", socket: "other", hard: "file" });
  expect(entries.map(({ path }) => path).filter((path) => path.startsWith("inner/"))).toEqual([]);
  for (const path of ["out", "inner", "fifo", "socket", "dir", "inner/plain.txt"]) {
    await expect(ask(fileOps.read, { path, offset: 0, length: 10 })).rejects.toMatchObject({
      code: "path_not_allowed",
    });
  }
  // Written by its one name: the other one keeps what it had.
  await ask(fileOps.write, { path: "hard", content: "new", if_hash: "*" });
  expect(readFileSync(join(task.workspace, "dir", "plain.txt"), "utf8")).toBe("inside\n");
  await ask(fileOps.delete, { path: "out", recursive: true });
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe(secret);
  expect(readlinkSync(join(task.workspace, "root"))).toBe("/");
  socket.close();
});
