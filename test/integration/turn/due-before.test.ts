import { GetCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { containerOfTask, latestContainer } from "../../../shared/domain/container/container.ts";
import { noticeTaskState } from "../../../shared/domain/container/task-state.ts";
import { dueShardOf } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { sweep } from "../../../shared/domain/turn/sweep.ts";
import { calls, startEngine, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask } = turnDriver(() => engine);

const rowOf = ({ tenant_id, session_id }: SessionKey, sk: string) => ({
  TableName: engine.deps.table.name,
  Key: { pk: `$platform#tenant_id_${tenant_id}#session_id_${session_id}`, sk },
});

/** The row as the release before the index wrote it. */
async function before(key: SessionKey, sk: string, [gsi1pk, gsi1sk]: [string, string]): Promise<void> {
  const UpdateExpression = "SET gsi1pk = :p, gsi1sk = :s REMOVE gsi5pk, gsi5sk";
  const ExpressionAttributeValues = { ":p": gsi1pk, ":s": gsi1sk };
  await engine.deps.table.client.send(
    new UpdateCommand({ ...rowOf(key, sk), UpdateExpression, ExpressionAttributeValues }),
  );
}

async function indexesOf(key: SessionKey, sk: string): Promise<string[]> {
  const { Item = {} } = await engine.deps.table.client.send(new GetCommand(rowOf(key, sk)));
  return Object.keys(Item).filter((name) => /^gsi[15]/.test(name));
}

test("who was due before the index was there is swept, and is in the new one from its next look on", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  await ask(key, "Go");
  engine.queue.sent.length = 0;
  const { Item } = await engine.deps.table.client.send(new GetCommand(rowOf(key, "$conversation_1")));
  const due = String(Item?.["due_at"]).padStart(14, "0");
  const keys: [string, string] = [`$platform#due_shard_${dueShardOf(key.session_id)}`, `$conversation_1#due_at_${due}`];
  await before(key, "$conversation_1", keys);
  engine.clock.advance(60_000);
  await sweep(engine.deps as never);
  expect(engine.queue.sent.map(({ wakeUp }) => wakeUp.session_id)).toEqual([key.session_id]);
  await engine.work();
  expect(await indexesOf(key, "$conversation_1")).toEqual(["gsi5pk", "gsi5sk"]);
  engine.queue.sent.length = 0;
  engine.clock.advance(60_000);
  await sweep(engine.deps as never);
  expect(engine.queue.sent).toHaveLength(1);
});

test("a key that lags behind its row wakes nobody", async () => {
  engine = await startEngine(scriptedModel([]));
  const key = await engine.session();
  await ask(key, "Go");
  engine.queue.sent.length = 0;
  const UpdateExpression = "SET due_at = :later";
  const ExpressionAttributeValues = { ":later": engine.clock.now() + 600_000 };
  await engine.deps.table.client.send(
    new UpdateCommand({ ...rowOf(key, "$conversation_1"), UpdateExpression, ExpressionAttributeValues }),
  );
  engine.clock.advance(60_000);
  await sweep(engine.deps as never);
  expect(engine.queue.sent).toEqual([]);
});

test("the end of a task is heard of, whichever release launched it", async () => {
  engine = await startEngine(scriptedModel([() => calls({ id: "t1" })]));
  const key = await engine.session();
  await ask(key, "Go");
  await engine.work();
  const launched = await latestContainer(engine.deps.table, key);
  const task = launched?.task_id ?? "";
  expect(await containerOfTask(engine.deps.table, task)).toEqual(launched);
  const sk = "$container_1#epoch_00000001";
  await before(key, sk, [`$platform#task_id_${task}`, "$container_1"]);
  expect(await containerOfTask(engine.deps.table, task)).toEqual(launched);
  await noticeTaskState(engine.deps, { taskArn: task, lastStatus: "STOPPED", stoppedReason: "It ended" } as never);
  expect(await latestContainer(engine.deps.table, key)).toMatchObject({ status: "lost" });
  expect(await containerOfTask(engine.deps.table, "task-unknown")).toBeNull();
});
