import { rows } from "../../../shared/data/service.ts";
import type { PlanName } from "../../../shared/ports/plans.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { calls, says } from "../engine.ts";
import { scriptedModel } from "../fakes.ts";
import type { Units } from "./meter.ts";
import { startWorld, type World } from "./world.ts";

/** What a part of a turn costs: the table's units, and everything else that AWS counts. */
export interface Counted extends Units {
  /** Messages sent to queues. */
  sends: number;
  /** Frames to people and to the sandbox, acks included. */
  posts: number;
  /** Frames from them. */
  frames: number;
  /** Runs of the turn worker. */
  steps: number;
}

export interface ToolTurn {
  prompt: Counted;
  /** A step in which the model asks for one tool call, and that call's result: the second of the turn. */
  toolStep: Counted;
  lastStep: Counted;
  checkpoint: Counted;
  heartbeat: Counted;
  /** All of it, with a heartbeat each ten seconds. */
  turn: Counted;
}

const heartbeatMs = 10_000;
const prompt = "Add a page that lists the open orders of a customer, newest first. ".repeat(3);
const answer = "The page is there, with a test. It reads the orders in one query. ".repeat(12);
const output = "src/orders.ts\nsrc/orders.test.ts\n".repeat(40);

type Command = { type: string; call_id: string; nonce: string; turn_id: string };

/** Counts what runs between two looks. */
function counterOf(world: World) {
  let frames = 0;
  let steps = 0;
  let sends = 0;
  const send = world.queue.send.bind(world.queue);
  world.queue.send = async (...message) => {
    sends += 1;
    return send(...message);
  };
  const posts = () => [...world.sockets.posted.values()].reduce((sum, posted) => sum + posted.length, 0);
  return {
    frame: () => void (frames += 1),
    step: () => void (steps += 1),
    async of(run: () => Promise<unknown>): Promise<Counted> {
      const before = { sends, posts: posts(), frames, steps };
      const units = await world.meter.of(run);
      return {
        ...units,
        sends: sends - before.sends,
        posts: posts() - before.posts,
        frames: frames - before.frames,
        steps: steps - before.steps,
      };
    },
  };
}

async function startSandbox(world: World, tenantId: string, session: Session): Promise<void> {
  const { token } = await world.platform.deps.sandboxTokens.mint({ tenantId, sessionId: session.id, epoch: 1 });
  await world.connectByToken("sandbox", token);
  await world.report("sandbox", { type: "sandbox.hello", version: "1", private_ip: "127.0.0.9" });
  await world.report("sandbox", { type: "sandbox.ready", restored_commit: null, base_commit: null });
}

/** What the publisher writes once it told the outside. */
async function markPublished(world: World, key: { tenant_id: string; session_id: string }): Promise<void> {
  const { conversation } = rows(world.step.table).entities;
  await conversation.patch(key).remove(["publish_due_at", "publish_shard"]).go();
}

function player(world: World, tenant_id: string, session: Session) {
  const counter = counterOf(world);
  const last = (type: string) =>
    (world.sockets.posted.get("sandbox") as Command[]).findLast((one) => one.type === type);
  const report = (frame: Parameters<World["report"]>[1]) => {
    counter.frame();
    return world.report("sandbox", frame);
  };
  const work = () => {
    counter.step();
    return world.work();
  };
  const heartbeat = () => report({ type: "sandbox.heartbeat" });
  let beatAt = world.platform.clock.now();
  return {
    counter,
    work,
    async send() {
      beatAt = world.platform.clock.now();
      counter.frame();
      const { id: session_id } = session;
      await world.say("browser", { type: "message.send", session_id, content: prompt, delivery: "queue" });
      await markPublished(world, { tenant_id, session_id });
    },
    async toolStep() {
      await work();
      world.platform.clock.advance(5_000);
      const { call_id = "", nonce = "" } = last("tool.run") ?? {};
      const result = { is_error: false, output, output_bytes: output.length, object_key: null, duration_ms: 120 };
      await report({ type: "sandbox.tool_completed", call_id, nonce, ...result });
    },
    checkpoint: () =>
      report({
        type: "sandbox.checkpoint_taken",
        turn_id: last("checkpoint.take")?.turn_id ?? "",
        checkpoint: null,
        push: { status: "none", branch: null, error: null },
        error: null,
      }),
    heartbeat,
    /** Those that came due since the last one. */
    async heartbeats() {
      for (; world.platform.clock.now() - beatAt >= heartbeatMs; beatAt += heartbeatMs) await heartbeat();
    },
  };
}

function turnScript(tools: number) {
  const step = (at: number) => () => calls({ id: `toolu_${at}` });
  return [...Array.from({ length: tools }, (_, at) => step(at)), () => says(answer)];
}

/** A turn of so many tool calls, one a step, watched by one person, in a sandbox that is up. */
export async function countToolTurn(tools: number, plan: PlanName): Promise<ToolTurn> {
  const world = await startWorld(scriptedModel([() => says(answer), ...turnScript(1), ...turnScript(tools)]), plan);
  try {
    const owner = await world.platform.register();
    const session = (await world.http(owner, "POST", "/sessions", {})) as unknown as Session;
    const { ticket } = await world.http(owner, "POST", "/ws-tickets");
    await world.connectByTicket("browser", String(ticket));
    await world.say("browser", { type: "session.subscribe", session_id: session.id, after: 0, batched: true });
    const play = player(world, owner.tenant.id, session);
    await play.send();
    await play.work();
    await startSandbox(world, owner.tenant.id, session);
    world.queue.sent.length = 0;
    const rehearse = [play.send, play.toolStep, play.work, play.checkpoint];
    for (const part of rehearse) await part();
    // Its look at the tools came and went.
    world.platform.clock.advance(20_000);
    await play.heartbeat();
    world.queue.sent.length = 0;
    const { counter } = play;
    let parts: Omit<ToolTurn, "turn" | "heartbeat"> | null = null;
    const turn = await counter.of(async () => {
      const sent = await counter.of(play.send);
      await play.toolStep();
      const toolStep = await counter.of(play.toolStep);
      for (let more = 2; more < tools; more += 1) {
        await play.heartbeats();
        await play.toolStep();
      }
      await play.heartbeats();
      const lastStep = await counter.of(play.work);
      parts = { prompt: sent, toolStep, lastStep, checkpoint: await counter.of(play.checkpoint) };
    });
    const heartbeat = await counter.of(play.heartbeat);
    if (!parts) throw new Error("the turn was not played");
    return { ...(parts as Omit<ToolTurn, "turn" | "heartbeat">), heartbeat, turn };
  } finally {
    await world.stop();
  }
}
