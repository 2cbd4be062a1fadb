import { createCheckpoint } from "../../../shared/domain/checkpoint/create.ts";
import { recordCheckpoint } from "../../../shared/domain/checkpoint/report.ts";
import { restore, type RestoreRequest } from "../../../shared/domain/checkpoint/restore.ts";
import { stopContainer, latestContainer, loseContainer } from "../../../shared/domain/container/container.ts";
import { greet, markReady, type Link } from "../../../shared/domain/container/link.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { wake } from "../../../shared/domain/turn/turn.ts";
import { lookAtSession } from "../../../shared/agent/look.ts";
import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import { messageAnswers } from "../../../shared/domain/session/history.ts";
import { fixedSecret, scriptedModel } from "../../support/fakes.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { names, resultOf, turnDriver } from "../../support/turn-driver.ts";
import { checkpointer, treeOf, type Files } from "./support.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo } = turnDriver(() => engine);
const { report, examined } = checkpointer(() => engine);

type Key = SessionKey & { user_id: string };
const states: Files[] = [{ a: "1\n" }, { a: "2\n", b: "2\n" }, { b: "3\n" }];

/** Three turns, each with a checkpoint: 1, 2 and 3. */
async function threeTurns(): Promise<{
  key: Key;
  link: Link;
  commits: string[];
  model: ReturnType<typeof scriptedModel>;
}> {
  const model = scriptedModel([
    ...states.flatMap((_, index) => [() => calls({ id: `t${index}` }), () => says(`Done ${index + 1}.`)]),
    () => says("Seen."),
    () => says("Seen again."),
  ]);
  engine = await startEngine(model);
  const key = await engine.session();
  let link: Link | null = null;
  const commits: string[] = [];
  for (const [index, files] of states.entries()) {
    const { turn_id } = await ask(key, `Prompt ${index + 1}`);
    await engine.work();
    link ??= await linkUp(key);
    const command = sentTo(link, "tool.run").at(-1);
    if (!command) throw new Error("no call");
    await receiveResult(engine.deps, link, resultOf(command, `output ${index + 1}`));
    await engine.work();
    const parent = index === 0 ? null : { commit: commits[index - 1] ?? "", files: states[index - 1] ?? {} };
    commits.push(await report(link, turn_id, parent, files));
  }
  await engine.work();
  if (!link) throw new Error("no link");
  return { key, link, commits, model };
}

const asking = (key: Key, more: Partial<RestoreRequest> = {}): RestoreRequest => ({
  user_id: key.user_id,
  request_id: null,
  checkpoint: 1,
  what: "both",
  dry_run: false,
  ...more,
});

async function until(holds: () => boolean, work = true): Promise<void> {
  for (let looks = 0; looks < 500 && !holds(); looks += 1) {
    if (work) await engine.work();
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  if (!holds()) throw new Error("it did not come to that");
}

async function operationOn(key: Key): Promise<void> {
  let found = false;
  const look = async () => (found ||= (await readConversation(engine.deps.table, key))?.operation !== undefined);
  await until(() => (void look(), found), false);
}

/** The request's process, with the worker that it wakes beside it. */
async function carriedOut<T>(asked: Promise<T>): Promise<T> {
  let over = false;
  const done = asked.finally(() => (over = true));
  done.catch(() => undefined);
  await until(() => over);
  return done;
}

async function stopped(key: Key): Promise<void> {
  const container = await latestContainer(engine.deps.table, key);
  if (container) await stopContainer(engine.deps, container, "idle");
}

const textOf = (model: { requests: { messages: unknown[] }[] }) => JSON.stringify(model.requests.at(-1)?.messages);

test("without a container: a new checkpoint with the old files, the chat up to its turn, and the next container starts there", async () => {
  const { key, model, commits } = await threeTurns();
  await stopped(key);
  const head = (await engine.log(key)).length;
  const answer = await carriedOut(restore(engine.deps, key, asking(key)));
  expect(answer).toMatchObject({ state: "restored", number: 1, checkpoint: 4, seq: head + 2 });
  const log = await engine.log(key);
  const [row, event] = log.slice(-2);
  expect(row).toMatchObject({
    kind: "checkpoint",
    cause: "restore",
    restored_from: 1,
    tree: treeOf(states[0] ?? {}),
    parent_commit: commits[2],
  });
  const ended = log.find((one) => one.kind === "event" && one.type === "turn.ended");
  expect(event).toMatchObject({
    type: "checkpoint.restored",
    data: { number: 1, what: "both", checkpoint: 4, visible_to: ended?.seq },
  });
  expect(await examined(key)).toEqual([]);
  const history = { ...engine.deps, objects: engine.objects, cursors: signedCursors(fixedSecret("cursors")) };
  const { data } = await messageAnswers(history, key, { order: "asc", limit: 100 });
  expect(data.map(({ undone }) => undone ?? false)).toEqual([false, false, false, ...Array<boolean>(6).fill(true)]);

  await ask(key, "What did you see?");
  await engine.work();
  expect(textOf(model)).toContain("Done 1.");
  expect(textOf(model)).not.toMatch(/Prompt 2|Done 2|Prompt 3|output 3|set the files back/);
  const container = await latestContainer(engine.deps.table, key);
  const link = {
    key: { tenant_id: key.tenant_id, session_id: key.session_id },
    epoch: container?.epoch ?? 0,
    connectionId: "next",
  };
  await greet(engine.deps, link, { frame_id: "f1", private_ip: null });
  const [welcome] = (engine.sockets.posted.get("next") ?? []) as { source: { commit: string; pack_urls: string[] } }[];
  expect(welcome?.source.commit).toBe(row?.kind === "checkpoint" ? row.commit : "");
  expect(welcome?.source.pack_urls).toHaveLength(4);
});

test("with a container: it is told, reports the state before and the restored one, and both are on the log in one piece", async () => {
  const { key, link, commits } = await threeTurns();
  const asked = restore(engine.deps, key, asking(key, { what: "files", checkpoint: 2 }));
  asked.catch(() => undefined);
  await until(() => !(sentTo(link, "checkpoint.restore").length === 0));
  const [command] = sentTo(link, "checkpoint.restore") as unknown as { operation_id: string; tree: string }[];
  const id = command?.operation_id ?? "";
  expect(command?.tree).toBe(treeOf(states[1] ?? {}));
  // Prompts wait meanwhile.
  expect(await ask(key, "And now?")).toMatchObject({ queued: true });
  const unsaved = { ...states[2], c: "unsaved\n" };
  const before = await report(link, id, { commit: commits[2] ?? "", files: states[2] ?? {} }, unsaved, {
    cause: "before",
  });
  await report(link, id, { commit: before, files: unsaved }, states[1] ?? {}, { cause: "restore" });
  expect(await carriedOut(asked)).toMatchObject({ state: "restored", checkpoint: 5 });
  await report(link, id, { commit: before, files: unsaved }, states[1] ?? {}, { cause: "restore" });
  const log = await engine.log(key);
  expect(names(log).filter((name) => name === "checkpoint")).toHaveLength(5);
  expect(names(log).filter((name) => name === "checkpoint.restored")).toHaveLength(1);
  expect(names(log).slice(-3)).toEqual(["queue.updated", "turn.started", "assistant message"]);
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ queue: [], checkpoint: 5 });
  expect(await examined(key)).toEqual([]);
});

test("files only: the model is told; chat only: it forgets, and is told that the files stay", async () => {
  const { key, model } = await threeTurns();
  await stopped(key);
  await carriedOut(restore(engine.deps, key, asking(key, { what: "files" })));
  await ask(key, "One");
  await engine.work();
  expect(textOf(model)).toMatch(/Done 3\..*set the files of the workspace back to checkpoint 1/);
  await stopped(key);
  expect(await restore(engine.deps, key, asking(key, { what: "chat" }))).toMatchObject({
    state: "restored",
    checkpoint: 4,
  });
  await ask(key, "Two");
  await engine.work();
  expect(textOf(model)).toMatch(/Done 1\..*the files were kept/);
  expect(textOf(model)).not.toMatch(/Prompt 2|One/);
  expect(await examined(key)).toEqual([]);
});

test("back and forth: what was undone can be had again, chat and files", async () => {
  const { key, model } = await threeTurns();
  await stopped(key);
  await carriedOut(restore(engine.deps, key, asking(key)));
  await carriedOut(restore(engine.deps, key, asking(key, { checkpoint: 3 })));
  await ask(key, "All there?");
  await engine.work();
  expect(textOf(model)).toMatch(/Prompt 1.*Done 1.*Prompt 2.*Done 2.*Prompt 3.*Done 3.*All there/);
  const log = await engine.log(key);
  expect(log.findLast((row) => row.kind === "checkpoint")).toMatchObject({
    number: 5,
    restored_from: 3,
    tree: treeOf(states[2] ?? {}),
  });
  await stopped(key);
  expect(await carriedOut(restore(engine.deps, key, asking(key, { checkpoint: 0 })))).toMatchObject({ checkpoint: 6 });
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ checkpoint: 6 });
  expect(await examined(key)).toEqual([]);
});

test("the same request is one restore, a turn is not disturbed, and what is not there is not found", async () => {
  const { key } = await threeTurns();
  await stopped(key);
  const request_id = "again";
  const first = await carriedOut(restore(engine.deps, key, asking(key, { request_id })));
  const head = (await engine.log(key)).length;
  expect(await restore(engine.deps, key, asking(key, { request_id }))).toEqual(first);
  expect(await engine.log(key)).toHaveLength(head);
  await expect(restore(engine.deps, key, asking(key, { request_id, checkpoint: 2 }))).rejects.toMatchObject({
    code: "idempotency_mismatch",
  });
  await expect(restore(engine.deps, key, asking(key, { checkpoint: 9 }))).rejects.toMatchObject({ code: "not_found" });
  await expect(restore(engine.deps, { ...key, tenant_id: "other" }, asking(key))).rejects.toMatchObject({
    code: "not_found",
  });
  await ask(key, "Go on");
  for (const what of ["chat", "files", "both"] as const)
    await expect(restore(engine.deps, key, asking(key, { what }))).rejects.toMatchObject({ code: "turn_running" });
  await expect(createCheckpoint(engine.deps, key, asking(key))).rejects.toMatchObject({ code: "turn_running" });
});

describe("never half, whoever dies", () => {
  test("the request's process after it said what is wanted: the worker does it", async () => {
    const { key } = await threeTurns();
    await stopped(key);
    engine.queue.sent.length = 0;
    const asked = restore(engine.deps, key, asking(key));
    asked.catch(() => undefined);
    await operationOn(key);
    // Its wake-up is lost as well: the sweeper finds it by `due_at`.
    engine.queue.sent.length = 0;
    expect((await readConversation(engine.deps.table, key))?.due_at).toBeDefined();
    await wake(engine.deps, key);
    await carriedOut(asked);
    expect(await examined(key)).toEqual([]);
    expect(await readConversation(engine.deps.table, key)).not.toHaveProperty("operation");
  });

  test.each(["before", "after"])(
    "the sandbox, %s it saved the present state: it is done without one",
    async (moment) => {
      const { key, link, commits } = await threeTurns();
      const asked = restore(engine.deps, key, asking(key, { what: "both" }));
      asked.catch(() => undefined);
      await until(() => !(sentTo(link, "checkpoint.restore").length === 0));
      const [{ operation_id: id } = { operation_id: "" }] = sentTo(link, "checkpoint.restore") as unknown as {
        operation_id: string;
      }[];
      const parent = { commit: commits[2] ?? "", files: states[2] ?? {} };
      const unsaved = { c: "unsaved\n" };
      const secrets = [{ path: "c", rule: "github_token" }];
      const saved =
        moment === "after" ? await report(link, id, parent, unsaved, { cause: "before", secrets }) : parent.commit;
      const container = await latestContainer(engine.deps.table, key);
      if (container) await loseContainer(engine.deps, container, "killed");
      await wake(engine.deps, key);
      expect(await carriedOut(asked)).toMatchObject({ state: "restored", checkpoint: moment === "after" ? 5 : 4 });
      // What the dead one still says changes nothing.
      await report(link, id, { commit: saved, files: unsaved }, states[0] ?? {}, { cause: "restore" });
      const newest = (await engine.log(key)).findLast((row) => row.kind === "checkpoint");
      // What goes on from a commit that must not leave must not either.
      const push_status = moment === "after" ? "held" : "none";
      expect(newest).toMatchObject({ cause: "restore", restored_from: 1, parent_commit: saved, push_status });
      expect(await examined(key)).toEqual([]);
    },
  );

  test("the worker between the objects and the commit, and two workers at once: one restore", async () => {
    const { key } = await threeTurns();
    await stopped(key);
    const asked = restore(engine.deps, key, asking(key));
    asked.catch(() => undefined);
    await operationOn(key);
    const wakeUp = { tenant_id: key.tenant_id, session_id: key.session_id, hops: 0 };
    await Promise.all([1, 2, 3].map(() => lookAtSession(engine.deps, wakeUp)));
    await carriedOut(asked);
    expect(names(await engine.log(key)).filter((name) => name === "checkpoint.restored")).toHaveLength(1);
    expect(await examined(key)).toEqual([]);
  });

  test("a sandbox that never answers is replaced after two minutes", async () => {
    const { key, link } = await threeTurns();
    const asked = restore(engine.deps, key, asking(key));
    asked.catch(() => undefined);
    await until(() => !(sentTo(link, "checkpoint.restore").length === 0));
    engine.clock.advance(121_000);
    await wake(engine.deps, key);
    await carriedOut(asked);
    expect(await examined(key)).toEqual([]);
    expect((await engine.log(key)).findLast((row) => row.kind === "checkpoint")).toMatchObject({
      number: 4,
      restored_from: 1,
    });
    expect(await latestContainer(engine.deps.table, key)).toMatchObject({ status: "lost" });
  });
});

test("on demand: with a container it is asked, once for each request; without one the newest is the answer", async () => {
  const { key, link, commits } = await threeTurns();
  const asked = createCheckpoint(engine.deps, key, { user_id: key.user_id, request_id: "r", message: "Before lunch" });
  asked.catch(() => undefined);
  await until(() => !(sentTo(link, "checkpoint.take").length < 4));
  const command = sentTo(link, "checkpoint.take").at(-1) as unknown as { turn_id: string; message: string };
  expect(command).toMatchObject({ message: "Before lunch" });
  await report(link, command.turn_id, { commit: commits[2] ?? "", files: states[2] ?? {} }, { d: "4\n" });
  expect(await carriedOut(asked)).toMatchObject({
    state: "created",
    checkpoint: { number: 4, cause: "manual", turn_id: null },
  });
  expect(
    await createCheckpoint(engine.deps, key, { user_id: key.user_id, request_id: "r", message: "Before lunch" }),
  ).toMatchObject({
    state: "created",
    checkpoint: { number: 4 },
  });
  await stopped(key);
  expect(await createCheckpoint(engine.deps, key, asking(key))).toMatchObject({
    state: "unchanged",
    checkpoint: { number: 4 },
  });
  expect(await examined(key)).toEqual([]);
});

test("what a restore would do is said beforehand, and nothing happens", async () => {
  const { key } = await threeTurns();
  const head = (await engine.log(key)).length;
  const { plan } = await restore(engine.deps, key, asking(key, { dry_run: true }));
  expect(plan).toEqual({
    files: { added: { count: 1, paths: ["a"] }, changed: { count: 0, paths: [] }, deleted: { count: 1, paths: ["b"] } },
    messages: { leaving: 6, returning: 0 },
    compared_with: 3,
    sandbox_runs: true,
  });
  expect(await engine.log(key)).toHaveLength(head);
});

test("a container that is there before the restore began to be ready is told when it is", async () => {
  const { key } = await threeTurns();
  await stopped(key);
  await ask(key, "Start one");
  await engine.work();
  const asked = restore(engine.deps, key, asking(key));
  asked.catch(() => undefined);
  await engine.work();
  const container = await latestContainer(engine.deps.table, key);
  const link = {
    key: { tenant_id: key.tenant_id, session_id: key.session_id },
    epoch: container?.epoch ?? 0,
    connectionId: "late",
  };
  await greet(engine.deps, link, { frame_id: "f1", private_ip: null });
  await markReady(engine.deps, link, { restored_commit: null, base_commit: null });
  expect(sentTo(link, "checkpoint.restore")).toHaveLength(1);
  const container2 = await latestContainer(engine.deps.table, key);
  if (container2) await loseContainer(engine.deps, container2, "killed");
  await wake(engine.deps, key);
  expect(await carriedOut(asked)).toMatchObject({ state: "restored" });
});

test("what failed may be asked for again with the same id, also where something else was done meanwhile; what succeeded is done once", async () => {
  const { key, link, commits } = await threeTurns();
  const told = () => sentTo(link, "checkpoint.restore") as unknown as { operation_id: string }[];
  const fail = (turn_id: string) =>
    recordCheckpoint(engine.deps, link, {
      turn_id,
      checkpoint: null,
      push: { status: "none", branch: null, error: null },
      error: "the disk is full",
      cause: "restore",
    });
  const again = asking(key, { request_id: "again", what: "files" });
  const failing = async (request: RestoreRequest) => {
    const before = told().length;
    const asked = restore(engine.deps, key, request);
    asked.catch(() => undefined);
    await until(() => told().length > before);
    await fail(told().at(-1)?.operation_id ?? "");
    await expect(carriedOut(asked)).rejects.toMatchObject({ code: "sandbox_unavailable" });
  };
  await failing(again);
  await failing(asking(key, { request_id: "other", what: "files", checkpoint: 2 }));
  await failing(again);
  const asked = restore(engine.deps, key, again);
  asked.catch(() => undefined);
  await until(() => told().length === 4);
  const ids = told().map(({ operation_id }) => operation_id);
  expect(new Set(ids).size).toBe(4);
  // The report of an earlier try comes late: it is not about this one.
  await fail(ids[0] ?? "");
  const parent = { commit: commits[2] ?? "", files: states[2] ?? {} };
  await report(link, ids[3] ?? "", parent, states[0] ?? {}, { cause: "restore" });
  const answer = await carriedOut(asked);
  expect(answer).toMatchObject({ state: "restored", checkpoint: 4 });
  expect(await restore(engine.deps, key, again)).toEqual(answer);
  expect(names(await engine.log(key)).filter((name) => name === "checkpoint.restored")).toHaveLength(1);
  expect(await examined(key)).toEqual([]);
});
