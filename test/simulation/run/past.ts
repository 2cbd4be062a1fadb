import { rows } from "../../../shared/data/service.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import { ApprovalPolicy } from "../../../shared/protocol/approval.ts";
import { noFaults } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import type { Item } from "../table/expressions.ts";
import { emptyTree, manifestBytes, Sandbox } from "../world/sandbox.ts";
import { rowsOf } from "../world/rows.ts";
import type { Stage } from "../world/stage.ts";
import { World, type Cast } from "../world/world.ts";

const template: Cast = {
  tenant_id: "ten_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
  user_id: "usr_00000000000000000000000001",
  sessions: ["00000000-0000-4000-8000-000000000000"],
  firstId: 1,
};
const quiet = { warm: false, realBeats: false };
const pastMs = 60_000;
/** A model that means to be asked about says so in its command. */
const approvals = JSON.stringify(
  ApprovalPolicy.parse({ rules: [{ tool: "bash", pattern: "ask *", policy: "ask" }], deadline_seconds: 3600 }),
);

/** What a session holds when a schedule begins, made once by the engine itself and copied from then on. */
export interface Pasts {
  fresh: string;
  /** It had a turn with a call; its sandbox runs. */
  warm: string;
}

async function empty(stage: Stage, world: World): Promise<void> {
  const { deps } = stage;
  const { tenant_id, user_id, sessions } = world.cast;
  const key = { tenant_id, session_id: sessions[0] as string };
  const at = world.kernel.now - pastMs;
  const { entities } = rows(deps.table);
  const columns = { title: "A session", messages: "null", inbox_status: "active" as const, sbx_config: "null" };
  const times = { created_at: at, updated_at: at, last_activity_at: at };
  world.kernel.spawn("client", null, "creates the session", async () => {
    await entities.session.create({ ...key, ...columns, created_by: user_id, ...times }).go();
    await entities.conversation.create({ ...emptyConversation(key, at), approvals }).go();
  });
  await world.kernel.run(() => false);
}

/** The wake-ups of the past are not in the schedule's queue. */
function withoutLooks({ watched_at: _looked, ...item }: Item): Item {
  return item;
}

export async function makePasts(stage: Stage): Promise<Pasts> {
  const prompt = { kind: "prompt", afterMs: 0, content: "Begin: [1]", delivery: "queue" } as const;
  const scenario = { ...quiet, scripts: [{ actions: [prompt], watches: false, decides: false }] };
  const world = new World(stage.deps, new Random(1), template, scenario, noFaults(), false);
  stage.play(world);
  await empty(stage, world);
  const dump = () =>
    JSON.stringify(
      [...world.table.rows.itemsOf(null)].filter((item) => item["__edb_e__"] !== "idempotency").map(withoutLooks),
    );
  const fresh = dump();
  world.begin();
  await world.kernel.run(() => world.isAtRest);
  return { fresh, warm: dump() };
}

/** Puts the past of each session into the world, and lets its sandbox run on. */
export function restore(pasts: Pasts, world: World): void {
  const { tenant_id, sessions } = world.cast;
  const past = world.scenario.warm ? pasts.warm : pasts.fresh;
  for (const session of sessions) {
    const text = past.replaceAll(template.tenant_id, tenant_id).replaceAll(template.sessions[0] as string, session);
    const isFirst = session === sessions[0];
    for (const item of JSON.parse(text) as Record<string, unknown>[]) {
      world.table.rows.store(isFirst || item["__edb_e__"] !== "usageCounter" ? item : doubled(item));
      if (item["__edb_e__"] === "gitCheckpoint") keepManifest(world, item);
    }
  }
  if (world.scenario.warm) for (const session of sessions) resume(world, session);
}

function keepManifest({ objects }: World, { manifest_key, commit, tree, parent_manifest_key }: Item): void {
  objects.stored.set(String(manifest_key), manifestBytes(String(commit), String(tree)));
  if (typeof parent_manifest_key === "string")
    objects.stored.set(parent_manifest_key, manifestBytes(emptyTree, emptyTree));
}

/** What two sessions of one tenant count together. */
function doubled(counter: Record<string, unknown>): Record<string, unknown> {
  return { ...counter, tokens: Number(counter["tokens"]) * 2, model_calls: Number(counter["model_calls"]) * 2 };
}

function resume(world: World, session_id: string): void {
  const container = rowsOf(world.table.rows, "container").find((row) => row["session_id"] === session_id);
  const conversation = rowsOf(world.table.rows, "conversation").find((row) => row["session_id"] === session_id);
  const taskId = `task-${session_id}-1`;
  const { tenant_id } = world.cast;
  const sandbox = new Sandbox(world.sandboxWorld(), { tenant_id, session_id, epoch: 1, taskId });
  world.provider.sandboxes.set(taskId, sandbox);
  const connection_id = sandbox.resume((conversation?.["checkpoint_commit"] as string | undefined) ?? null);
  world.table.rows.store({ ...container, connection_id, last_heartbeat_at: world.kernel.now });
}
