import type { Log } from "../../ports/log.ts";
import type { OutboundQueue } from "../../ports/outbound-queue.ts";
import type { OutboundMessage } from "../../protocol/webhook.ts";
import type { NewRow, SessionKey } from "../timeline/row.ts";
import { isOutward } from "./outward.decisions.ts";

export interface OutboundDeps {
  /** Absent in a process that may not send any: the sweeper finds what is marked. */
  outbound?: OutboundQueue;
  log?: Log;
}

/** Losing this costs time only: the sweeper finds what is due. */
export async function wakeOutbound(deps: OutboundDeps, message: OutboundMessage, delaySeconds = 0): Promise<void> {
  try {
    await deps.outbound?.send(message, delaySeconds);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    deps.log?.warn("outbound wake-up lost", { tenant_id: message.tenant_id, error: text });
  }
}

/** Wakes the publisher where one of the rows that were committed is for the outside. */
export async function wakePublisher(deps: OutboundDeps, key: SessionKey, committed: NewRow[]): Promise<void> {
  if (!committed.some(isOutward)) return;
  const { tenant_id, session_id } = key;
  await wakeOutbound(deps, { kind: "publish", tenant_id, session_id });
}
