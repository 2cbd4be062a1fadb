import { lookAtSession } from "../../../shared/agent/look.ts";
import { limitTenant } from "../../../shared/domain/budget/manage.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import type { Link } from "../../../shared/domain/container/link.ts";
import type { ModelEvent } from "../../../shared/ports/model.ts";
import { budgetAtRest, ledgerOf } from "../../support/budget-at-rest.ts";
import { startEngine, usage, type Engine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { resultOf, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());

const { ask, linkUp, sentTo, report } = turnDriver(() => engine);
type Key = Awaited<ReturnType<Engine["session"]>>;

const sessions = 50;
const stepTokens = 4_400;
/** One and a half steps of each session, were they equal. */
const limit = sessions * 1.5 * stepTokens;

/** A model that never comes to an end. */
function* callsAgain(): Iterable<ModelEvent> {
  const id = engine.deps.ids.next("trn");
  const content = [{ type: "tool_use" as const, id, name: "bash", input: { command: "true" } }];
  const used = { ...usage, input_tokens: 4000, output_tokens: 400 };
  yield { type: "completed", content, stopReason: "tool_use", usage: used, requestId: null };
}

/** What the queue does: a wake-up that failed comes again. */
async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== "busy") throw error;
    }
  }
}

/** Worker, sandbox and queue of one session, until its turn is over. */
async function drive(key: Key): Promise<void> {
  let link: Link | null = null;
  for (let answered = 0; ;) {
    const conversation = await readConversation(engine.deps.table, key);
    if (!conversation || conversation.phase === "none") return;
    const wakeUp = { tenant_id: key.tenant_id, session_id: key.session_id, hops: 0 };
    if (conversation.phase === "model") await again(() => lookAtSession(engine.deps, wakeUp));
    if (conversation.phase === "checkpoint" && link) await report(link, conversation.turn_id ?? "");
    if (conversation.phase !== "tools") continue;
    const at: Link = link ?? (await again(() => linkUp(key, `link-${key.session_id}`)));
    link = at;
    const call = sentTo(at, "tool.run")[answered];
    if (!call) throw new Error("no call");
    await again(() => receiveResult(engine.deps, at, resultOf(call)));
    answered += 1;
  }
}

test("50 sessions under one tenant's budget: the sums are exact, nothing stays held, each exceeds it by a step at most", async () => {
  engine = await startEngine(scriptedModel([callsAgain]));
  const first = await engine.session();
  const { tenant_id } = first;
  const keys = [first, ...(await Promise.all(Array.from({ length: sessions - 1 }, () => engine.session(tenant_id))))];
  await limitTenant(engine.deps, tenant_id, { cost_micro_usd: null, tokens: limit });
  await Promise.all(keys.map((key) => ask(key, "Never stop")));
  await Promise.all(keys.map(drive));
  const { wrong, total } = await budgetAtRest(engine.deps.table, tenant_id, engine.clock.now());
  expect(wrong).toEqual([]);
  expect(total.tokens).toBe(total.model_calls * stepTokens);
  expect(total.tokens).toBeGreaterThan(limit - sessions * stepTokens);
  expect(total.tokens).toBeLessThan(limit + sessions * stepTokens);
  for (const key of keys) {
    const log = await engine.log(key);
    expect(log.at(-1)).toMatchObject({ type: "turn.ended", data: { reason: "budget_reached" } });
    const { model_calls } = await ledgerOf(engine.deps.table, key);
    expect(log.filter((row) => row.kind === "message" && row.role === "assistant")).toHaveLength(model_calls);
  }
}, 240_000);
