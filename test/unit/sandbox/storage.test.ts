import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { CheckpointMaker } from "../../../containers/sandbox/src/supervisor/git/checkpoint-maker.ts";
import { emptyFolder } from "../../../containers/sandbox/src/supervisor/git/folder-tree.ts";
import { History } from "../../../containers/sandbox/src/supervisor/git/history.ts";
import { ObjectStore } from "../../../containers/sandbox/src/supervisor/git/object-store.ts";
import { type Stretch, bytesOf } from "../../../containers/sandbox/src/supervisor/git/stretch.ts";
import { StatCache } from "../../../containers/sandbox/src/supervisor/git/stat-cache.ts";
import { prepareWorkspace } from "../../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { Workspace } from "../../../containers/sandbox/src/supervisor/workspace/workspace.ts";
import { checkpointRow } from "../../../shared/domain/checkpoint/checkpoint.ts";
import { readManifest } from "../../../shared/domain/checkpoint/manifest.ts";
import type { TakenCheckpoint } from "../../../shared/protocol/sandbox-frame.ts";

const person = { name: "Test", email: "test@example.com" };
const noPush = { status: "none" as const, branch: null, error: null };
type Row = ReturnType<typeof checkpointRow>;

/** One session's storage, and a container of it that can be left for a new one at any time. */
class Session {
  readonly folder = mkdtempSync(join(tmpdir(), "storage-"));
  readonly path = join(this.folder, "workspace");
  readonly objects = new Map<string, Buffer>();
  readonly rows: Row[] = [];
  #containers = 0;
  #workspace: Workspace | null = null;
  #maker: CheckpointMaker | null = null;
  store = new ObjectStore("");

  /** A new container: everything it knows comes from the rows. */
  async start(): Promise<void> {
    this.#workspace?.close();
    this.#containers += 1;
    const private_ = join(this.folder, `container-${this.#containers}`);
    mkdirSync(this.path, { recursive: true });
    const store = new ObjectStore(join(private_, "git"));
    await store.create();
    const history = new History(null, join(private_, "parts"));
    const last = this.rows.at(-1);
    const packs = (last?.pack_keys ?? []).map((key) => this.objects.get(key) ?? Buffer.alloc(0));
    const parts = [];
    for (const pack of packs) {
      const file = join(private_, "incoming.pack");
      writeFileSync(file, pack);
      parts.push(await store.addPack(file));
    }
    if (last) await history.restore(last.commit, parts);
    const silent = { onFilesChanged: () => undefined, share: async () => undefined };
    const options = { path: this.path, markFolder: join(private_, "marks"), store, stats: new StatCache() };
    const workspace = new Workspace({ ...options, root: emptyFolder, ...silent });
    workspace.watch();
    workspace.distrust("a new container");
    const uploads = {
      put: async (purpose: string, stretch: Stretch) => {
        const body = await bytesOf(stretch);
        const key = `tenants/t/sessions/s/${purpose}s/${createHash("sha256").update(body).digest("hex")}`;
        this.objects.set(key, Buffer.from(body));
        return key;
      },
    };
    this.store = store;
    this.#workspace = workspace;
    this.#maker = new CheckpointMaker({ uploads, workspace, history, isFirst: false, now: () => 1_700_000_000_000 });
  }

  async checkpoint(): Promise<TakenCheckpoint> {
    if (!this.#workspace || !this.#maker) throw new Error("not started");
    const { snapshot, keep } = await this.#workspace.snapshot();
    const taken = await this.#maker.save({ message: "m", author: person, co_author: person }, snapshot);
    keep();
    const previous = this.rows.at(-1);
    const number = this.rows.length;
    this.rows.push(
      checkpointRow(taken, noPush, { turn_id: "turn" }, previous ? { ...previous, seq: number, at: 0 } : null, null),
    );
    return taken;
  }

  bytesOf(purpose: string): number {
    return [...this.objects].reduce((sum, [key, { length }]) => sum + (key.includes(`/${purpose}s/`) ? length : 0), 0);
  }

  close(): void {
    this.#workspace?.close();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const read = (objects: Map<string, Buffer>) => ({ get: async (key: string) => objects.get(key) ?? null });

let session: Session;
beforeEach(async () => {
  session = new Session();
  await session.start();
});
afterEach(() => session.close());

function write(name: string, text: string): void {
  writeFileSync(join(session.path, name), text);
}

test("200 checkpoints: few packs each, bytes by the logarithm, and any of them is whole again from its row", async () => {
  for (let file = 0; file < 500; file += 1) write(`file-${file}`, `${file}\n`);
  const noise = (of: number): string => createHash("sha512").update(`${of}`).digest("hex").repeat(8);
  let fresh = 0;
  for (let number = 0; number < 200; number += 1) {
    write(`file-${number % 50}`, noise(number));
    const taken = await session.checkpoint();
    if (taken.pack_replaces?.length === 0) fresh += taken.pack_bytes;
    // As idle stops do: most sessions change containers often.
    if (number % 40 === 39) await session.start();
  }
  const chains = session.rows.map(({ pack_keys }) => pack_keys.length);
  const [packs, manifests] = [session.bytesOf("pack"), session.bytesOf("manifest")];
  process.stdout.write(
    `200 checkpoints: packs ${packs} bytes (their objects once: about ${Math.round((fresh * 8) / 7)}), manifests ${manifests}, longest chain ${Math.max(...chains)}\n`,
  );
  expect(Math.max(...chains)).toBeLessThanOrEqual(21);
  expect(packs).toBeLessThan(4 * ((fresh * 8) / 7));
  // Whole ones would be 200 times the first.
  const [first] = session.rows;
  const whole = session.objects.get(first?.manifest_key ?? "")?.length ?? 0;
  expect(manifests).toBeLessThan(40 * whole);
  for (const at of [0, 7, 8, 63, 64, 130, 199]) await expectWhole(session.rows[at]);

  // A day later the packs that the newest one does not need are gone (`tidySession`): it holds the others' objects.
  const pack_keys = session.rows.at(-1)?.pack_keys ?? [];
  for (const key of session.objects.keys())
    if (key.includes("/packs/") && !pack_keys.includes(key)) session.objects.delete(key);
  const left = session.bytesOf("pack");
  process.stdout.write(
    `packs a day later: ${left} bytes, ${Math.round((100 * left) / packs)} % in ${pack_keys.length} objects\n`,
  );
  expect(left).toBeLessThan(1.1 * ((fresh * 8) / 7));
  for (const row of [session.rows[0], session.rows[130]]) await expectWhole(row && { ...row, pack_keys });
}, 60_000);

/** The packs of a row are enough for git, and its manifest is what git lists. */
async function expectWhole(row: Row | undefined): Promise<void> {
  if (!row) throw new Error("no such checkpoint");
  const bare = mkdtempSync(join(tmpdir(), "whole-"));
  try {
    const git = (args: string[], input: Buffer = Buffer.alloc(0)) =>
      execFileSync("git", args, { cwd: bare, input, env: { PATH: process.env["PATH"] }, maxBuffer: 1e9 }).toString();
    git(["init", "-q", "--bare", "."]);
    for (const key of row.pack_keys) git(["index-pack", "--stdin", "--strict"], session.objects.get(key));
    git(["update-ref", "refs/heads/x", row.commit]);
    expect(git(["fsck", "--full", "--strict"])).not.toMatch(/error|missing/);
    const manifest = await readManifest(read(session.objects), row.manifest_key);
    const ours = manifest?.files.map(({ mode, oid, size, path }) => `${mode} blob ${oid} ${size}\t${path}`).toSorted();
    const theirs = git(["ls-tree", "-r", "-l", row.commit]).trim().split("\n");
    expect(ours).toEqual(theirs.map((line) => line.replace(/ +(\d+)\t/, " $1\t")).toSorted());
    expect(manifest).toMatchObject({ commit: row.commit, tree: row.tree });
  } finally {
    rmSync(bare, { recursive: true, force: true });
  }
}

test("a delta says what came, changed, moved and went, and a large one is a complete manifest again", async () => {
  const shell = (command: string) => execFileSync("bash", ["-c", command], { cwd: session.path });
  shell(
    "mkdir -p a/b c; for f in $(seq 400); do echo $f > a/f$f; done; echo 1 > a/b/x; echo 1 > c/x; echo 1 > y; chmod +x y",
  );
  const versions = [];
  for (const step of [
    "true",
    "echo 2 > a/b/x; rm c/x; chmod -x y; ln -s y link",
    "mv a/b d; rm y; mkdir y; echo 3 > y/z",
    "rm -r y d; echo 4 > y",
    "for f in $(seq 300); do echo changed $f > a/f$f; done",
    "echo 5 > a/f400",
  ]) {
    shell(`${step}; echo ${versions.length} > count`);
    const { manifest_key } = await session.checkpoint();
    versions.push(JSON.parse(session.objects.get(manifest_key)?.toString() ?? "").version);
    await expectWhole(session.rows.at(-1));
  }
  expect(versions).toEqual([1, 2, 2, 2, 1, 2]);
});

test("a manifest that is none, or whose base is gone, is never taken for an empty one", async () => {
  write("a", "1");
  await session.checkpoint();
  write("a", "2");
  const { manifest_key } = await session.checkpoint();
  const objects = read(session.objects);
  expect(await readManifest(objects, `${manifest_key.slice(0, -64)}${"0".repeat(64)}`)).toBeNull();
  session.objects.set("x", Buffer.from("{}"));
  await expect(readManifest(objects, "x")).rejects.toMatchObject({ code: "internal" });
  const base = session.rows[0]?.manifest_key ?? "";
  session.objects.delete(base);
  await expect(readManifest(objects, manifest_key)).rejects.toMatchObject({ code: "internal" });
});

test("packs that together are too large for a container's memory stay apart, and small ones still become one", async () => {
  const largest = 64 * 1024;
  const history = new History(null, join(session.folder, "apart"), largest);
  const sizes: number[] = [];
  for (let number = 0; number < 40; number += 1) {
    const bytes = Buffer.alloc(number < 16 ? 20_000 : 100, number);
    const part = { oids: [String(number)], bytes };
    const next = await history.nextPack(part);
    sizes.push(next.pack.length);
    await history.add(String(number), part, next);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(largest + 1024);
  expect(sizes.slice(16).some((size) => size > 700)).toBe(true);
});

test("a pack that could be put away can be read again", async () => {
  const megabyte = Buffer.alloc(1024 * 1024);
  const server = createServer((_request, response) => void Readable.from(Array(257).fill(megabyte)).pipe(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pack`;
  const none = { repo_url: null, target_branch: null, base_commit: null, branch: null };
  const source = { ...none, commit: "1".repeat(40), pack_urls: [url] };
  const failure = await prepareWorkspace(source, session.path, join(session.folder, "again")).catch(String);
  server.close();
  // All of it came; what it is not is a pack.
  expect(failure).toMatch(/git index-pack failed/);
});
