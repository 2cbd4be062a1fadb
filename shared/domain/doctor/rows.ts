import type { Container } from "../container/container.ts";
import type { Conversation } from "../conversation/conversation.ts";
import type { SessionKey, TimelineRow } from "../timeline/row.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import type { LedgerRow, SandboxRun, UsageDay } from "../usage/ledger.ts";
import type { CarriedOut } from "../turn/request.ts";

/** Everything that is stored of one session, at one moment. */
export interface SessionRows {
  key: SessionKey;
  conversation: Conversation;
  /** All of it, in order. */
  log: TimelineRow[];
  calls: ToolCall[];
  containers: Container[];
  ledger: LedgerRow[];
  days: UsageDay[];
  runs: SandboxRun[];
  /** Requests of the session's users that were carried out; they are forgotten after a day. */
  requests: CarriedOut[];
  /** Messages whose body is in object storage and is not there. */
  missingBodies: number[];
}
