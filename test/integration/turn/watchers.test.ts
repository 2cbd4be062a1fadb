import { rows, type Table, type TableClient } from "../../../shared/data/service.ts";
import { subscribe, unsubscribe } from "../../../shared/domain/connection/connection.ts";
import { watchersAt } from "../../../shared/domain/connection/watchers.ts";
import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
const asked: string[] = [];
let key: SessionKey & { user_id: string };

/** The engine's table, which says what it was asked. */
const watched = (table: Table): Table => {
  const send = (command: { constructor: { name: string }; input: object }) => {
    asked.push(`${command.constructor.name} ${JSON.stringify(command.input)}`);
    return table.client.send(command as never);
  };
  return { client: { send } as TableClient, name: table.name };
};
const queriesOfWatchers = () => asked.filter((text) => text.startsWith("Query") && text.includes("$subscription_1"));

async function connect(connection_id: string) {
  const expires_at = engine.deps.clock.now() / 1000 + 7200;
  const row = { connection_id, kind: "user" as const, tenant_id: key.tenant_id, user_id: key.user_id, expires_at };
  await rows(engine.deps.table)
    .entities.connection.create({ ...row, role: "owner", connected_at: engine.deps.clock.now() })
    .go();
  const found = await rows(engine.deps.table).entities.connection.get({ connection_id }).go();
  if (!found.data) throw new Error("no connection");
  return found.data;
}

const versionNow = async () => (await readConversation(engine.deps.table, key))?.watch_version;
const idsAt = async (version: number | undefined) =>
  (await watchersAt(engine.deps, key, version)).map(({ connectionId }) => connectionId).toSorted();

const { ask, linkUp, sentTo } = turnDriver(() => engine);

beforeEach(async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" }), () => says("Done.")]));
  engine.deps.table = watched(engine.deps.table);
  key = await engine.session();
  asked.length = 0;
});
afterEach(() => engine.stop());

test("watchers are asked for once, until somebody begins or ends to watch", async () => {
  expect(await idsAt(await versionNow())).toEqual([]);
  await subscribe(engine.deps.table, await connect("a"), key.session_id);
  const first = await versionNow();
  expect([await idsAt(first), await idsAt(first)]).toEqual([["a"], ["a"]]);
  await subscribe(engine.deps.table, await connect("b"), key.session_id);
  expect(await idsAt(await versionNow())).toEqual(["a", "b"]);
  await unsubscribe(engine.deps.table, key, "a");
  expect(await idsAt(await versionNow())).toEqual(["b"]);
  expect(queriesOfWatchers()).toHaveLength(4);
});

test("who subscribes after a state was read is told of what is committed on it", async () => {
  await subscribe(engine.deps.table, await connect("a"), key.session_id);
  const read = await readConversation(engine.deps.table, key);
  expect(await idsAt(read?.watch_version)).toEqual(["a"]);
  await subscribe(engine.deps.table, await connect("b"), key.session_id);
  const decide = () => ({ rows: [], change: { step_tokens: 1 }, result: null });
  const outcome = await transition(engine.deps, key, decide, read);
  if (outcome.kind !== "committed") throw new Error(outcome.kind);
  expect(await idsAt(outcome.conversation.watch_version)).toEqual(["a", "b"]);
});

test("a subscription of an earlier release, which raised nothing, is overlooked for 30 s at most; one that is over at once", async () => {
  await subscribe(engine.deps.table, await connect("a"), key.session_id);
  const version = await versionNow();
  expect(await idsAt(version)).toEqual(["a"]);
  const { tenant_id, session_id } = key;
  const expires_at = engine.deps.clock.now() / 1000 + 40;
  await rows(engine.deps.table)
    .entities.subscription.create({ tenant_id, session_id, connection_id: "old", expires_at })
    .go();
  expect(await idsAt(version)).toEqual(["a"]);
  engine.clock.advance(30_000);
  expect(await idsAt(version)).toEqual(["a", "old"]);
  engine.clock.advance(10_000);
  expect(await idsAt(version)).toEqual(["a"]);
});

test("subscribing to a session that is gone raises nothing and fails nobody", async () => {
  const { tenant_id, session_id } = key;
  await rows(engine.deps.table).entities.conversation.delete({ tenant_id, session_id }).go();
  expect(await subscribe(engine.deps.table, await connect("a"), session_id)).toBe(true);
  expect(await readConversation(engine.deps.table, key)).toBeNull();
});

test("a result is taken without a look at its call; of a call that an earlier release placed, with one", async () => {
  await ask(key, "Build it");
  await engine.work();
  const link = await linkUp(key);
  const [call] = sentTo(link, "tool.run");
  if (!call) throw new Error("no call");
  const secret = call.nonce.split(".")[0] ?? "";
  const looks = () => asked.filter((text) => text.startsWith("Get") && text.includes("$toolCall_1"));
  asked.length = 0;
  const forged = [secret, `${secret}.write`, `${secret}.`, "", ".bash", "."];
  for (const nonce of forged) {
    const taken = receiveResult(engine.deps, link, { ...resultOf(call), nonce });
    await expect(taken).rejects.toMatchObject({ code: "conflict" });
  }
  const nowhere = receiveResult(engine.deps, link, { ...resultOf(call), call_id: "" });
  await expect(nowhere).rejects.toMatchObject({ code: "conflict" });
  expect(looks()).toHaveLength(2);
  asked.length = 0;
  await receiveResult(engine.deps, link, resultOf(call));
  expect(looks()).toHaveLength(0);
  const [done] = (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "tool.completed");
  expect(done).toMatchObject({ data: { call_id: "t1", name: "bash" } });
});
