import { instant } from "../../infra/local/model/answer.ts";
import { startRehearsalModel, type RehearsalOptions } from "../../infra/local/model/server.ts";
import { AnthropicModel } from "../../shared/adapters/model-anthropic.ts";
import { systemPrompt } from "../../shared/agent/system-prompt.ts";
import { agentTools } from "../../shared/agent/tools.ts";
import { rows } from "../../shared/data/service.ts";
import { readConversation } from "../../shared/domain/conversation/conversation.ts";
import type { Link } from "../../shared/domain/container/link.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";
import { receiveResult } from "../../shared/domain/tool-call/receive-result.ts";
import { startEngine } from "./engine.ts";
import { resultOf, type RunCommand, turnDriver } from "./turn-driver.ts";

type Session = SessionKey & { user_id: string };

/** The turn engine, the SDK's client and the rehearsal model's server, which refuses what the real one refuses. */
export async function startRehearsedEngine(options: Partial<RehearsalOptions> = {}) {
  const server = await startRehearsalModel({ port: 0, pace: instant, keptBodies: 1000, ...options });
  const model = new AnthropicModel({ apiKey: async () => "test-key", baseUrl: server.url });
  const engine = await startEngine(model);
  // The server answers over real sockets: who sleeps leaves it the processor.
  const sleep = () => new Promise<void>((resolve) => void setTimeout(resolve, 5));
  Object.assign(engine.deps, { system: systemPrompt, tools: agentTools, clock: { ...engine.clock, sleep } });
  const driver = turnDriver(() => engine);
  const links = new Map<string, Link>();
  const answered = new Set<string>();

  async function runCalls(key: SessionKey, output: (call: RunCommand) => string): Promise<boolean> {
    if ((await readConversation(engine.deps.table, key))?.phase !== "tools") return false;
    const link = links.get(key.session_id) ?? (await driver.linkUp(key));
    links.set(key.session_id, link);
    const fresh = driver.sentTo(link, "tool.run").filter(({ call_id }) => !answered.has(call_id));
    for (const call of fresh) {
      answered.add(call.call_id);
      await receiveResult(engine.deps, link, resultOf(call, output(call)));
    }
    return fresh.length > 0;
  }

  /** Works until the turn waits for nothing but its checkpoint, and brings that. */
  async function settle(key: SessionKey, output: (call: RunCommand) => string = () => "ok"): Promise<void> {
    await engine.work();
    while (await runCalls(key, output)) await engine.work();
    const { turn_id, phase } = (await readConversation(engine.deps.table, key)) ?? {};
    const link = links.get(key.session_id);
    if (phase !== "checkpoint" || !turn_id || !link) return;
    await driver.report(link, turn_id);
    await settle(key, output);
  }

  async function play(key: Session, prompt: string, output?: (call: RunCommand) => string): Promise<void> {
    await driver.ask(key, prompt);
    await settle(key, output);
  }

  /** Silent for too long: the next calls need another. */
  const loseSandbox = ({ session_id }: SessionKey) => links.delete(session_id);

  /** The session's ledger, in the order of the calls. */
  async function ledger({ tenant_id, session_id }: SessionKey) {
    const found = await rows(engine.deps.table)
      .entities.tokenUsage.query.bySession({ tenant_id, session_id })
      .go({ pages: "all", consistent: true });
    return found.data.toSorted((a, b) => a.at - b.at || (a.turn_id < b.turn_id ? -1 : 1) || a.step - b.step);
  }

  const stop = async () => {
    await Promise.all([engine.stop(), server.stop()]);
  };
  return { ...driver, engine, server, model, play, settle, loseSandbox, ledger, stop };
}
