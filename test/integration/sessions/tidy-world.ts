import { createHash } from "node:crypto";
import { rows, type Table, type TableClient } from "../../../shared/data/service.ts";
import {
  allCheckpoints,
  latestCheckpoint,
  type StoredCheckpoint,
} from "../../../shared/domain/checkpoint/checkpoint.ts";
import { basesOf, readManifest } from "../../../shared/domain/checkpoint/manifest.ts";
import { beginOperation } from "../../../shared/domain/checkpoint/operation.decisions.ts";
import { recordCheckpoint, type CheckpointReport } from "../../../shared/domain/checkpoint/report.ts";
import { restoreOffline } from "../../../shared/domain/checkpoint/restore-offline.ts";
import { packsFor } from "../../../shared/domain/checkpoint/tidy.decisions.ts";
import { sweepTidying, tidySession, type TidyDeps } from "../../../shared/domain/checkpoint/tidy.ts";
import type { Link } from "../../../shared/domain/container/link.ts";
import { grantUpload } from "../../../shared/domain/container/upload.ts";
import { transition } from "../../../shared/domain/conversation/conversation.ts";
import { forkSession } from "../../../shared/domain/fork/fork.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import type { UploadPurpose } from "../../../shared/protocol/sandbox-frame.ts";
import { memoryObjects, memoryRemoval, type recordedJobs } from "../../support/fakes.ts";
import { MemoryTable } from "../../simulation/table/memory-table.ts";
import type { Sessions } from "./support.ts";

const sha256 = (body: string) => createHash("sha256").update(body).digest("hex");
const oid = (text: string) => createHash("sha1").update(text).digest("hex");
/** So many packs become one, as eight do in a sandbox. */
const fanOut = 3;

/** A running sandbox, as far as it makes checkpoints. */
export interface Sandbox {
  link: Link;
  /** Names (SHA-256) of the packs that its next checkpoint goes on from. */
  packs: string[];
  commit: string | undefined;
  isFirst: boolean;
  /** The complete manifest that its deltas stand on. */
  base: string | null;
  files: number;
}

/** How far a sandbox got before it died. */
export type Crash = "none" | "pack" | "manifest" | "bundle";

type Plan = { sandbox: Sandbox; report: CheckpointReport };

const quiet = async () => undefined;
type Hook = (request: string) => Promise<void>;

/** DynamoDB's behaviour without its HTTP: thousands of requests a second. `before` each of them. */
function memoryTable(memory: MemoryTable, before: Hook = quiet): Table {
  const send = async ({ constructor, input }: { constructor: { name: string }; input: unknown }) => {
    await before(constructor.name);
    return memory.send(constructor.name, input);
  };
  return { client: { send } as unknown as TableClient, name: "memory" };
}

class Died extends Error {}

/** Sessions and their objects, with sandboxes that are played, and the time at which each object was put. */
export function tidyWorld(sessions: Sessions, random: () => number) {
  const memoryRows = new MemoryTable();
  const table = memoryTable(memoryRows);
  let between: () => Promise<void> = quiet;
  const jobTable = memoryTable(memoryRows, () => between());
  const dyingTable = memoryTable(memoryRows, async (request) => {
    if (request !== "GetCommand" && request !== "QueryCommand") throw new Died();
  });
  const deps = { ...sessions.deps, table };
  const { clock } = sessions;
  const tenant_id = deps.ids.next("ten");
  const user_id = deps.ids.next("usr");
  const memory = memoryObjects();
  const { stored } = memory;
  const putAt = new Map<string, number>();
  const objects = {
    ...memory,
    put: async (key: string, body: string | Uint8Array, contentType: string) => {
      await memory.put(key, body, contentType);
      putAt.set(key, clock.now());
    },
  };

  async function session(): Promise<SessionKey> {
    const key = { tenant_id, session_id: deps.ids.uuid() };
    const at = clock.now();
    const times = { created_at: at, updated_at: at, last_activity_at: at };
    const row = { ...key, title: "A test", messages: "null", sbx_config: "null", created_by: user_id, ...times };
    await rows(table)
      .entities.session.create({ ...row, inbox_status: "active" })
      .go();
    await rows(table).entities.conversation.create(emptyConversation(key, at)).go();
    return key;
  }

  /** As S3 takes what is signed with `If-None-Match: *`: the second of equal name leaves the first as it is. */
  async function upload(link: Link, purpose: UploadPurpose, body: string): Promise<string> {
    const wanted = { purpose, length: body.length, sha256: sha256(body) };
    const { key } = await grantUpload(objects, link, wanted);
    if (!stored.has(key)) await objects.put(key, body, "x");
    return key;
  }

  /** The next container: its packs are there, and no earlier one's link counts any more. */
  async function start(key: SessionKey): Promise<Sandbox> {
    const outcome = await transition({ ...deps, objects }, key, ({ epoch: before }, now) => {
      const epoch = before + 1;
      const row = { ...key, epoch, requested_at: now, last_heartbeat_at: now, preview_key: "p" };
      return {
        rows: [{ kind: "event", type: "container.starting", data: { epoch } }],
        change: { epoch },
        extra: (entities) => [entities.container.create({ ...row, status: "stopped" }).commit()],
        result: epoch,
      };
    });
    if (outcome.kind !== "committed") throw new Error("not started");
    const newest = await latestCheckpoint(table, outcome.conversation);
    const lacking = (newest?.pack_keys ?? []).filter((pack) => !stored.has(pack));
    if (lacking.length > 0) throw new Error(`cannot start, without ${lacking.join()}`);
    const link = { key, epoch: outcome.result, connectionId: "c" };
    const packs = (newest?.pack_keys ?? []).map((pack) => pack.slice(-64));
    const commit = newest?.commit ?? outcome.conversation.base_commit;
    return { link, packs, commit, isFirst: newest === null, base: null, files: newest?.number ?? 0 };
  }

  function manifestOf(sandbox: Sandbox, commit: string): { text: string; isBase: boolean } {
    const named = { commit, tree: oid(commit) };
    const file = { path: `f${sandbox.files}`, mode: "100644", oid: oid(commit), size: 1 };
    const delta = { version: 2, ...named, base: sandbox.base, files: [file], removed: [] };
    if (sandbox.base !== null && random() < 0.8) return { text: JSON.stringify(delta), isBase: false };
    return { text: JSON.stringify({ version: 1, ...named, files: [file] }), isBase: true };
  }

  /** Commits and uploads. Null where it died on the way; what is uploaded by then stays. */
  async function make(sandbox: Sandbox, crash: Crash = "none"): Promise<Plan | null> {
    const { link, packs, isFirst, commit: parent } = sandbox;
    const commit = oid(`${parent} ${clock.now()} ${random()}`);
    const merged = packs.length + 1 >= fanOut ? packs : [];
    const pack = `pack of ${commit} with ${merged.join()}`;
    sandbox.files += 1;
    const manifest = manifestOf(sandbox, commit);
    const pack_key = await upload(link, "pack", pack);
    if (crash === "pack") return null;
    const manifest_key = await upload(link, "manifest", manifest.text);
    if (manifest.isBase) sandbox.base = sha256(manifest.text);
    if (crash === "manifest") return null;
    const blobs_key = await upload(link, "blob", `texts of ${commit}`);
    const before = JSON.stringify({ version: 1, commit: "0", tree: oid("0"), files: [] });
    const first = isFirst ? { parent_manifest_key: await upload(link, "manifest", before) } : {};
    if (crash === "bundle") return null;
    const stat = { files: 1, insertions: 1, deletions: 0 };
    const taken = { commit, parent_commit: parent ?? null, tree: oid(commit), message: "m", stat, ...first };
    const packed = { pack_key, pack_bytes: 1, pack_is_complete: packs.length === merged.length, pack_replaces: merged };
    Object.assign(sandbox, {
      commit,
      isFirst: false,
      packs: [...packs.filter((one) => !merged.includes(one)), sha256(pack)],
    });
    const push = { status: "none" as const, branch: null, error: null };
    const checkpoint = { ...taken, ...packed, manifest_key, blobs_key };
    return { sandbox, report: { turn_id: "chk_stop", cause: "stop", checkpoint, push, error: null } };
  }

  const tell = ({ sandbox: { link }, report }: Plan, head = objects.head) =>
    recordCheckpoint({ ...deps, objects: { ...objects, head } }, link, report);

  async function beginRestore(key: SessionKey, to: StoredCheckpoint): Promise<void> {
    await transition({ ...deps, objects }, key, (current, now) => {
      const { tree, manifest_key, number, message } = to;
      const id = deps.ids.next("chk");
      const asked = { kind: "restore" as const, id, user_id: "u", until: now + 1000, number, what: "files" as const };
      return beginOperation(current, { ...asked, tree, manifest_key, message, visible_to: null }, now);
    });
  }

  /** `dies`: before its row, when its objects are there. It throws then. */
  const resumeRestore = (key: SessionKey, dies = false) =>
    restoreOffline({ ...deps, objects, table: dies ? dyingTable : table }, key);

  async function fork(key: SessionKey, checkpoint: number): Promise<SessionKey> {
    const made = await forkSession({ ...deps, objects }, { tenant_id, user_id }, key, { checkpoint }, null);
    return { tenant_id, session_id: made.id };
  }

  const removal = memoryRemoval(stored, putAt);
  const objectRemoval: TidyDeps["objectRemoval"] = {
    ...removal,
    listBelow: async (prefix, before) => {
      const listed = await removal.listBelow(prefix, before);
      await between();
      return listed;
    },
  };

  /** `hook` is called wherever a job waits for table or storage. How many jobs there were. */
  async function tidy(hook: () => Promise<void> = quiet): Promise<number> {
    const jobs = (deps.jobs as ReturnType<typeof recordedJobs>).sent;
    await sweepTidying(deps, clock.now());
    const due = jobs.splice(0).flatMap((job) => (job.type === "session.tidy" ? [job] : []));
    const outer = between;
    between = hook;
    for (const job of due) await tidySession({ ...deps, table: jobTable, objects, objectRemoval }, job);
    between = outer;
    return due.length;
  }

  /** What rows name that is not there: of each checkpoint what is read and what it starts from. */
  async function missing(key: SessionKey): Promise<string[]> {
    const all = await allCheckpoints(table, key);
    const newest = all.at(-1);
    if (!newest) return [];
    const named = all.flatMap((row) =>
      [...packsFor(row, newest), row.blobs_key ?? [], row.parent_manifest_key ?? []].flat(),
    );
    const unread = [];
    for (const { manifest_key, number } of all) {
      const manifest = await readManifest(objects, manifest_key).catch(() => null);
      if (!manifest) unread.push(`manifest of ${number}: ${manifest_key}`);
    }
    return [...unread, ...new Set([...newest.pack_keys, ...named].filter((name) => !stored.has(name)))];
  }

  /** What lies below these sessions that no row of any of them names. */
  async function leftOver(keys: SessionKey[]): Promise<string[]> {
    const named = new Set<string>();
    for (const key of keys) {
      const all = await allCheckpoints(table, key);
      for (const row of all) {
        for (const name of [row.manifest_key, row.blobs_key, row.parent_manifest_key]) if (name) named.add(name);
        for (const name of await basesOf(objects, row.manifest_key)) named.add(name);
      }
      for (const name of all.at(-1)?.pack_keys ?? []) named.add(name);
    }
    const folders = keys.flatMap((key) =>
      ["packs", "manifests", "blobs"].map((folder) => `${objectKey(key, folder)}/`),
    );
    return [...stored.keys()].filter((name) => folders.some((folder) => name.startsWith(folder)) && !named.has(name));
  }

  const checkpoints = (key: SessionKey) => allCheckpoints(table, key);
  return {
    session,
    checkpoints,
    start,
    make,
    tell,
    beginRestore,
    resumeRestore,
    fork,
    tidy,
    missing,
    leftOver,
    objects,
  };
}

export type TidyWorld = ReturnType<typeof tidyWorld>;
