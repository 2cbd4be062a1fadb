import { limitTenant } from "../../shared/domain/budget/manage.ts";
import { resolveApproval } from "../../shared/domain/approval/resolve.ts";
import { latestContainer } from "../../shared/domain/container/container.ts";
import { markAlive, type Link } from "../../shared/domain/container/link.ts";
import { readConversation, type Conversation } from "../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../shared/domain/tool-call/receive-result.ts";
import { waitsForPerson } from "../../shared/domain/tool-call/route.decisions.ts";
import { pendingCalls } from "../../shared/domain/tool-call/tool-call.ts";
import { sweep } from "../../shared/domain/turn/sweep.ts";
import { resultOf } from "../support/turn-driver.ts";
import type { Golden } from "./items.ts";
import type { World } from "./world.ts";

type Key = Golden["key"];

async function decide({ engine }: World, key: Key, conversation: Conversation): Promise<void> {
  const open = (await pendingCalls(engine.deps.table, conversation)).filter(waitsForPerson);
  for (const { approval_id = "", handler } of open) {
    const decision =
      handler === "question" ? { decision: "answer" as const, answer: "Blue" } : { decision: "approve" as const };
    await resolveApproval(engine.deps, key, { user_id: key.user_id, request_id: null, approval_id, ...decision });
  }
}

/** What the sandbox does meanwhile: it comes up, runs what it is told to, and takes the checkpoint. */
async function serve({ engine, driver }: World, key: Key, conversation: Conversation): Promise<void> {
  const container = await latestContainer(engine.deps.table, key);
  if (!container || container.status === "lost" || container.status === "stopped") return;
  const { tenant_id, session_id } = key;
  const link: Link = {
    key: { tenant_id, session_id },
    epoch: container.epoch,
    connectionId: container.connection_id ?? `link-${container.epoch}`,
  };
  if (container.status === "starting") await driver.linkUp(key);
  else await markAlive(engine.deps, link);
  for (const call of driver.sentTo(link, "tool.run")) {
    await receiveResult(engine.deps, link, resultOf(call)).catch(() => undefined);
  }
  if (conversation.phase === "checkpoint") await driver.report(link, conversation.turn_id ?? "", "f".repeat(40));
}

const maxRounds = 40;
const roundMs = 20_000;

/** Works until the session rests, as sweeper, worker, sandbox and person would. */
export async function untilRest(world: World, key: Key): Promise<Conversation> {
  const { engine } = world;
  for (let round = 0; round < maxRounds; round += 1) {
    const conversation = await readConversation(engine.deps.table, key);
    if (!conversation) throw new Error("the session is gone");
    if (conversation.phase === "none") return conversation;
    await decide(world, key, conversation);
    await serve(world, key, conversation);
    await sweep(engine.deps);
    await engine.work();
    engine.clock.advance(roundMs);
  }
  throw new Error("the session does not come to rest");
}

/** Nothing limits the tenant any more. */
export const unlimit = ({ engine }: World, { tenant_id }: Key) =>
  limitTenant(engine.deps, tenant_id, { cost_micro_usd: null, tokens: null });
