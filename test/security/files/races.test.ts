import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type * as z from "zod";
import type { DoorOp } from "../../../shared/protocol/door.ts";
import { fileOps } from "../../../shared/protocol/file.ts";
import { inParallel } from "../../../shared/in-parallel.ts";
import { FakePlatform } from "../../integration/sandbox/support/fake-platform.ts";
import { SandboxTask } from "../../integration/sandbox/support/sandbox-task.ts";
import { askDoor } from "../../support/ask-door.ts";

jest.setTimeout(120_000);

const platform = new FakePlatform();
const task = new SandboxTask();
const outside = join(task.folder, "outside");
const secret = "canary-of-the-outside-91bd";
let swapper: ChildProcess | null = null;
const races = Number(process.env["FILE_RACES"] ?? 10_000);
const atOnce = 24;

function ask<B extends z.ZodType, R extends z.ZodType>(op: DoorOp<B, R>, body: z.input<B>): Promise<z.output<R>> {
  return askDoor({ port: task.previewPort, key: platform.controlKey }, op, body);
}

/** Where the watcher does not look: what it makes of a swap is not raced here, and would slow both sides down. */
const place = "node_modules/race";
const folders = [`${place}/swap`, `${place}/a/swap`];
const files = ["file", "a/file", "swap/secret", "a/swap/secret", "swap/deep/new", "a/swap/new"].map(
  (path) => `${place}/${path}`,
);
const at = <T>(items: readonly T[], n: number) => items[n % items.length] as T;

/** In turn every way to touch a path that is being swapped. */
const attempts: ((n: number) => Promise<unknown>)[] = [
  (n) => ask(fileOps.read, { path: at(files, n), offset: 0, length: 200 }),
  (n) => ask(fileOps.write, { path: at(files, n), content: "of a guest", if_hash: "*" }),
  (n) => ask(fileOps.list, { path: at(folders, n), depth: 3, limit: 100 }),
  (n) => ask(fileOps.write, { path: at(files, n + 2), content: `guest ${n}`, if_hash: null }),
  (n) => ask(fileOps.delete, { path: at(files, n), recursive: true }),
  (n) => ask(fileOps.move, { from: at(files, n), to: `${place}/a/moved-${n % 3}`, overwrite: true }),
  (n) => ask(fileOps.read, { path: at(files, n + 1), offset: 0, length: 200 }),
  (n) => ask(fileOps.delete, { path: at(folders, n), recursive: true }),
  (n) => ask(fileOps.move, { from: `${place}/plain`, to: at(files, n), overwrite: true }),
  () => ask(fileOps.list, { path: place, depth: 5, limit: 300 }),
];

beforeAll(async () => {
  for (const folder of [outside, join(outside, "deep")]) mkdirSync(folder);
  writeFileSync(join(outside, "secret"), secret);
  await platform.start();
  await task.start(platform);
  await platform.next("sandbox.ready");
});
afterAll(async () => {
  swapper?.kill("SIGKILL");
  await task.stop();
  platform.stop();
});

it("10,000 races against somebody who swaps folders and files for links: nothing is read or written outside", async () => {
  const raced = join(task.workspace, place);
  mkdirSync(join(raced, "a"), { recursive: true });
  writeFileSync(join(raced, "plain"), "inside");
  const program = join(import.meta.dirname, "../../support/sandbox-programs/swapper.mjs");
  swapper = spawn(process.execPath, [program, raced, outside], { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  swapper.stdout?.on("data", (text: Buffer) => (told += text.toString()));
  const outcomes = new Map<string, number>();
  const escapes: string[] = [];
  const numbers = Array.from({ length: races }, (_, n) => n);
  await inParallel(numbers, atOnce, async (n) => {
    const attempt = attempts[n % attempts.length] ?? (async () => null);
    const said = await attempt(n + Math.floor(n / 10)).then(
      (result) => {
        if (JSON.stringify(result).includes(secret)) escapes.push(JSON.stringify(result));
        return "done";
      },
      (error: { code?: string; details?: unknown }) => {
        if (JSON.stringify(error.details ?? null).includes(secret)) escapes.push(JSON.stringify(error.details));
        return error.code ?? "none";
      },
    );
    outcomes.set(said, (outcomes.get(said) ?? 0) + 1);
  });
  swapper.kill("SIGTERM");
  await once(swapper, "exit");
  if (process.env["FILE_RACES"]) console.info(races, Object.fromEntries(outcomes), `${told.trim()} swaps`);
  expect(escapes).toEqual([]);
  expect(readdirSync(outside).toSorted()).toEqual(["deep", "secret"]);
  expect(readdirSync(join(outside, "deep"))).toEqual([]);
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe(secret);
  // The races were real: both sides won often, and links were met.
  expect(outcomes.get("done")).toBeGreaterThan(races / 20);
  expect(outcomes.get("path_not_allowed")).toBeGreaterThan(races / 50);
  expect(Number(told)).toBeGreaterThan(1000);
  const expected = new Set(["done", "not_found", "path_not_allowed", "conflict", "file_conflict", "busy"]);
  expect([...outcomes.keys()].filter((code) => !expected.has(code))).toEqual([]);
});
