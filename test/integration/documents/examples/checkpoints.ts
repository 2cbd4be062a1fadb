import type { HttpDeps } from "../../../../functions/http/deps.ts";
import { rows } from "../../../../shared/data/service.ts";
import { seededTurn, seedLog } from "../../../support/seed.ts";
import type { Ask, Examples, World } from "../world.ts";
import { session } from "./sessions.ts";

const tree = "b".repeat(40);
const turn_id = `trn_${"0".repeat(26)}`;

/** A session with one turn and two checkpoints; of the first one it is known what was before, unless that is of an older version. */
async function checkpointed(world: World, before = true): Promise<string> {
  const session_id = await session(world);
  const key = { tenant_id: world.owner.tenant.id, session_id };
  const { table, objects } = world.platform.deps;
  const log = seededTurn(1, 1);
  await seedLog(table, key, log);
  const manifest_key = `tenants/${key.tenant_id}/sessions/${session_id}/manifests/${"c".repeat(64)}`;
  const files = [{ path: "a.txt", mode: "100644", oid: "d".repeat(40), size: 2 }];
  await objects.put(manifest_key, JSON.stringify({ version: 1, commit: tree, tree, files }), "application/json");
  for (const number of [1, 2]) {
    await rows(table)
      .entities.gitCheckpoint.create({
        ...key,
        seq: log.length + number,
        at: world.platform.clock.now(),
        turn_id,
        number,
        commit: String(number).repeat(40),
        tree,
        message: "Build a clock",
        files: 1,
        insertions: 1,
        deletions: 0,
        pack_keys: ["pack"],
        manifest_key,
        push_status: "held",
        ...(before && number === 1 ? { parent_manifest_key: manifest_key } : {}),
        secrets: [{ path: ".env", rule: "env_file" }],
      })
      .go();
  }
  const newest = { checkpoint: 2, checkpoint_seq: log.length + 2, checkpoint_commit: "2".repeat(40) };
  await rows(table)
    .entities.conversation.patch(key)
    .set({ head: log.length + 2, ...newest })
    .go();
  return session_id;
}

/** A session in which a turn runs. */
async function running(world: World, rest: string, body: Record<string, unknown>): Promise<Ask> {
  const id = await checkpointed(world);
  await world.good("POST", `/sessions/${id}/messages`, { content: "Build a clock" });
  return { path: `/sessions/${id}${rest}`, body };
}

/** Its sandbox goes away before it has taken the checkpoint. */
async function withDyingSandbox(world: World): Promise<Ask> {
  const session_id = await checkpointed(world);
  const key = { tenant_id: world.owner.tenant.id, session_id };
  const { table } = world.platform.deps;
  const { conversation, container } = rows(table).entities;
  const now = world.platform.clock.now();
  const times = { requested_at: now, last_heartbeat_at: now };
  await container.create({ ...key, epoch: 1, status: "ready", preview_key: "p", ...times }).go();
  const send: HttpDeps["queue"]["send"] = async () => {
    const { data } = await conversation.get(key).go();
    const id = data?.operation ? (JSON.parse(data.operation) as { id: string }).id : "";
    const error = { code: "sandbox_unavailable", message: "The sandbox went away" };
    await conversation
      .patch(key)
      .set({ operated: JSON.stringify({ id, checkpoint: 2, seq: null, error }) })
      .go();
  };
  return { path: `/sessions/${session_id}/checkpoints`, body: {}, changed: { queue: { send } } };
}

const at =
  (rest: string, more: Omit<Ask, "path"> = {}, before = true) =>
  async (world: World): Promise<Ask> => ({ path: `/sessions/${await checkpointed(world, before)}${rest}`, ...more });

export const checkpointExamples: Examples = {
  listCheckpoints: { status: 200, ask: at("/checkpoints") },
  readCheckpoint: { status: 200, ask: at("/checkpoints/1") },
  createCheckpoint: {
    status: 200,
    ask: at("/checkpoints", { body: { message: "Before lunch" } }),
    fails: { turn_running: (world) => running(world, "/checkpoints", {}), sandbox_unavailable: withDyingSandbox },
  },
  diffCheckpoint: {
    status: 200,
    ask: at("/checkpoints/2/diff"),
    fails: { diff_unavailable: at("/checkpoints/1/diff", {}, false) },
  },
  pushCheckpoint: {
    status: 200,
    ask: at("/checkpoints/1/push", { body: { allow_secrets: true } }),
    fails: { turn_running: (world) => running(world, "/checkpoints/1/push", { allow_secrets: true }) },
  },
  restoreCheckpoint: {
    status: 200,
    ask: at("/restore", { body: { checkpoint: 1, what: "chat" } }),
    fails: {
      turn_running: (world) => running(world, "/restore", { checkpoint: 1 }),
      diff_unavailable: at("/restore", { body: { checkpoint: 0 } }, false),
    },
  },
};
