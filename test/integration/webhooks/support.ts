import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { closeServer, listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { gcmSecretBox } from "../../../shared/adapters/secret-box-gcm.ts";
import { httpWebhookSender, webhookAddresses } from "../../../shared/adapters/webhook-sender-http.ts";
import { transition, type ConversationDeps } from "../../../shared/domain/conversation/conversation.ts";
import { handleOutbound } from "../../../shared/domain/outbox/handle.ts";
import type { PublishDeps } from "../../../shared/domain/outbox/publish.ts";
import { announce } from "../../../shared/domain/timeline/announce.ts";
import type { EventRow, NewRow, SessionKey } from "../../../shared/domain/timeline/row.ts";
import type { DeliverDeps } from "../../../shared/domain/webhook/deliver.ts";
import { createWebhook, type WebhookDeps } from "../../../shared/domain/webhook/webhook.ts";
import type { OutwardEvent } from "../../../shared/protocol/webhook.ts";
import { startEngine } from "../../support/engine.ts";
import { fixedSecret, recordedOutbound, scriptedModel } from "../../support/fakes.ts";
import { checkWebhook } from "../../support/webhook-check.ts";

export const turnEnded = (turn = 1): EventRow => ({
  kind: "event",
  type: "turn.ended",
  turn_id: `trn_${String(turn).padStart(26, "0")}`,
  data: { reason: "completed", steps: 2, error: null, checkpoint: null, checkpoint_pending: false },
});

export const lost = (reason = "heartbeat"): EventRow => ({
  kind: "event",
  type: "container.lost",
  data: { epoch: 1, reason },
});

/** An endpoint of a tenant: keeps what it gets, answers what it is told. */
export async function startReceiver() {
  const requests: { headers: IncomingMessage["headers"]; body: string; url: string }[] = [];
  const answers: ((response: ServerResponse) => void)[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      checkWebhook(body);
      requests.push({ headers: request.headers, body, url: request.url ?? "" });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer) answer(response);
      else response.writeHead(204).end();
    });
  });
  const port = await listenOnLoopback(server, 0);
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    requests,
    /** One after the other; the last stays. */
    answer: (...statuses: number[]) =>
      answers.splice(
        0,
        answers.length,
        ...statuses.map((status) => (r: ServerResponse) => void r.writeHead(status).end()),
      ),
    answerBy: (answer: (response: ServerResponse) => void) => answers.splice(0, answers.length, answer),
    stop: () => closeServer(server),
  };
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

export function recordedBus() {
  const put: OutwardEvent[] = [];
  return {
    put: async (events: OutwardEvent[]) => {
      put.push(...events);
    },
    events: put,
  };
}

/** Publisher and delivery over a real table, with a clock of our own and real requests over loopback. */
export async function startOutbound() {
  const engine = await startEngine(scriptedModel([]));
  const outbound = recordedOutbound();
  const bus = recordedBus();
  const deps: PublishDeps & DeliverDeps & WebhookDeps & Pick<ConversationDeps, "objects"> = {
    ...engine.deps,
    outbound,
    bus,
    secretBox: gcmSecretBox(fixedSecret("the-webhook-secret-of-the-tests")),
    sender: httpWebhookSender({ allowPrivate: true, clock: engine.clock }),
    webhookAddresses: webhookAddresses({ allowPrivate: true }),
  };

  /** As any transition of the engine does. */
  async function append(key: SessionKey, ...rows: NewRow[]): Promise<void> {
    const session = { tenant_id: key.tenant_id, session_id: key.session_id };
    const outcome = await transition(deps, session, () => ({ rows, change: {}, result: null }));
    if (outcome.kind !== "committed") throw new Error(outcome.kind);
    await announce({ ...engine.deps, outbound }, session, outcome.rows);
  }

  const webhook = (tenant_id: string, url: string, events?: OutwardEvent["type"][]) =>
    createWebhook(deps, { tenant_id, user_id: "usr_01JD0000000000000000000000" }, { url, events, description: "" });

  /** Works off the messages that are due; with `delayed`, all. */
  async function work({ delayed = false } = {}): Promise<void> {
    for (let rounds = 0; rounds < 200; rounds += 1) {
      const at = outbound.sent.findIndex(({ delaySeconds }) => delayed || delaySeconds === 0);
      const [next] = at < 0 ? [] : outbound.sent.splice(at, 1);
      if (!next) return;
      engine.clock.advance(next.delaySeconds * 1000);
      await handleOutbound(deps, next.message);
    }
    throw new Error("the queue does not come to rest");
  }

  return { engine, deps, outbound, bus, append, webhook, work, stop: engine.stop };
}

export type Outbound = Awaited<ReturnType<typeof startOutbound>>;
