import type { Table } from "../../../shared/data/service.ts";
import { tidyGraceMs } from "../../../shared/domain/checkpoint/tidy.decisions.ts";
import { sweepTidying, tidySession, type TidyDeps } from "../../../shared/domain/checkpoint/tidy.ts";
import { copyFork } from "../../../shared/domain/fork/copy.ts";
import type { NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey, readTimeline } from "../../../shared/domain/timeline/timeline.ts";
import type { ForkAnswer } from "../../../shared/protocol/fork.ts";
import { memoryRemoval, type memoryObjects } from "../../support/fakes.ts";
import { dyingTable } from "../../support/dying-table.ts";
import { seededTurn, seedLog } from "../../support/seed.ts";
import { checkpoint, commitOf, livedSession } from "./lived-session.ts";
import { startSessions, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());
beforeEach(async () => {
  sessions.jobs.sent.length = 0;
  putAt.clear();
  await sessions.ask("GET", "/me");
});

const putAt = new Map<string, number>();
const stored = () => (sessions.deps.objects as ReturnType<typeof memoryObjects>).stored;
const packsOf = (key: SessionKey) =>
  [...stored().keys()]
    .filter((name) => name.startsWith(objectKey(key, "packs/")))
    .map((name) => name.split("/").at(-1));

function tidyDeps(table: Table = sessions.deps.table): TidyDeps {
  return { ...sessions.deps, table, objectRemoval: memoryRemoval(stored(), putAt) };
}

/** A checkpoint whose pack stands for all before it, told now. */
async function merged(parent: { key: SessionKey; log: NewRow[] }, number: number): Promise<number> {
  const pack = objectKey(parent.key, "packs", `m${number}`);
  const row = { ...checkpoint(parent.key, number), pack_keys: [pack], frees_packs: true };
  const turn = [...seededTurn(number, 2).slice(0, -1), row, ...seededTurn(number, 2).slice(-1)];
  const first = parent.log.length + 1;
  await seedLog(sessions.deps.table, parent.key, turn, first, sessions.clock.now());
  const seq = first + turn.indexOf(row);
  await sessions.entities.conversation
    .patch(parent.key)
    .set({ head: parent.log.length + turn.length, checkpoint: number, checkpoint_seq: seq })
    .set({ checkpoint_commit: commitOf(number) })
    .go();
  await put(parent.key, `m${number}`);
  return seq;
}

/** Three checkpoints, a month ago. */
const lived = () => livedSession(sessions, 3, [], sessions.clock.now() - 30 * tidyGraceMs);

async function put(key: SessionKey, name: string): Promise<void> {
  await sessions.deps.objects.put(objectKey(key, "packs", name), name, "text/plain");
  putAt.set(objectKey(key, "packs", name), sessions.clock.now());
}

/** Three checkpoints of a pack each, and a fourth that put them together. */
async function consolidated() {
  const parent = await lived();
  const seq = await merged(parent, 4);
  return { ...parent, freeing: { ...parent.key, seq } };
}

async function fork(session: { id: string }, number: number): Promise<SessionKey> {
  const answer = await sessions.ask("POST", `/sessions/${session.id}/fork`, { checkpoint: number });
  if (answer.status !== 201) throw new Error(`fork answered ${answer.status}: ${answer.text}`);
  return sessions.keyOf(answer.body as unknown as ForkAnswer);
}

/** The packs that the next container of a session is given. */
async function startsFrom(key: SessionKey): Promise<string[]> {
  const { rows } = await readTimeline(sessions.deps, key, {});
  const newest = rows.findLast((row) => row.kind === "checkpoint");
  return newest?.kind === "checkpoint" ? newest.pack_keys.map((pack) => pack.split("/").at(-1) ?? "") : [];
}

async function sweepAndRun(): Promise<number> {
  const count = await sweepTidying(sessions.deps, sessions.clock.now());
  for (const job of sessions.jobs.sent.splice(0)) if (job.type === "session.tidy") await tidySession(tidyDeps(), job);
  return count;
}

it("what a checkpoint put together goes a day later, with uploads that nobody named; younger ones stay", async () => {
  const parent = await consolidated();
  await put(parent.key, "never-named");
  sessions.clock.advance(tidyGraceMs - 1000);
  await put(parent.key, "just-uploaded");
  expect(await sweepAndRun()).toBe(0);
  expect(packsOf(parent.key)).toEqual(["p1", "p2", "p3", "m4", "never-named", "just-uploaded"]);
  sessions.clock.advance(2000);
  expect(await sweepAndRun()).toBe(1);
  expect(packsOf(parent.key)).toEqual(["m4", "just-uploaded"]);
  expect(await sweepAndRun()).toBe(0);
});

it("a fork of an older checkpoint starts from packs that are there: before, while and after they are put together", async () => {
  const parent = await lived();
  const early = await fork(parent, 2);
  const { key } = parent;
  await merged(parent, 4);
  const late = await fork(parent, 2);
  sessions.clock.advance(tidyGraceMs + 1000);
  await sweepAndRun();
  expect(await startsFrom(early)).toEqual(["p1", "p2"]);
  expect(await startsFrom(late)).toEqual(["m4"]);
  // The early one still needs these.
  expect(packsOf(key)).toEqual(["p1", "p2", "m4"]);
  const later = await fork({ id: early.session_id }, 1);
  expect(await startsFrom(later)).toEqual(["p1"]);
  const { packHold } = sessions.entities;
  const held = await packHold.query.byHolder({ tenant_id: later.tenant_id, holder_id: later.session_id }).go();
  expect(held.data.map(({ owner_id }) => owner_id).toSorted()).toEqual([key.session_id, early.session_id].toSorted());
});

it("nothing goes while a fork is copied, nor what a container may be fetching", async () => {
  const parent = await consolidated();
  sessions.clock.advance(tidyGraceMs + 1000);
  const { now } = sessions.clock;
  let calls = 0;
  sessions.deps.clock.now = () => now() + (calls += 1) * 1_000;
  const copying = await fork(parent, 1).finally(() => (sessions.deps.clock.now = now));
  await sweepAndRun();
  expect(packsOf(parent.key)).toContain("p1");
  await copyFork({ ...sessions.deps, table: sessions.deps.table }, copying);
  // Newest since an hour; before it the list of the fourth was.
  sessions.clock.advance(3_600_000);
  expect(await sweepAndRun()).toBe(1);
  expect(packsOf(parent.key)).toEqual(["m4"]);
});

it("killed at any write, and repeated beside itself, it removes what it should and never a pack that is needed", async () => {
  const parent = await consolidated();
  sessions.clock.advance(tidyGraceMs + 1000);
  for (const moment of ["before", "after"] as const) {
    const { table, died } = dyingTable(sessions.deps.table, 1, moment);
    await Promise.race([tidySession(tidyDeps(table), parent.freeing), died]);
    expect(packsOf(parent.key)).toEqual(["m4"]);
  }
  const { objectRemoval } = tidyDeps();
  const remove = () => Promise.reject(new Error("S3 is down"));
  const broken = { ...tidyDeps(), objectRemoval: { ...objectRemoval, remove } };
  const other = await consolidated();
  sessions.clock.advance(tidyGraceMs + 1000);
  await expect(tidySession(broken, other.freeing)).rejects.toThrow("S3 is down");
  await Promise.all([sweepAndRun(), tidySession(tidyDeps(), other.freeing), tidySession(tidyDeps(), other.freeing)]);
  expect(packsOf(other.key)).toEqual(["m4"]);
  expect(await sweepAndRun()).toBe(0);
});

it("another tenant's id, a row that freed nothing, and a deleted session change nothing", async () => {
  const parent = await consolidated();
  sessions.clock.advance(tidyGraceMs + 1000);
  const before = packsOf(parent.key);
  await tidySession(tidyDeps(), { ...parent.freeing, tenant_id: "ten_ELSE" });
  await tidySession(tidyDeps(), { ...parent.freeing, seq: 1 });
  expect(packsOf(parent.key)).toEqual(before);
  expect((await sessions.ask("DELETE", `/sessions/${parent.id}`)).status).toBe(204);
  await tidySession(tidyDeps(), parent.freeing);
  expect(packsOf(parent.key)).toEqual(before);
});
