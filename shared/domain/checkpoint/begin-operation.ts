import { AppError } from "../../errors.ts";
import { transition, type Conversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { recall, remember, type ClientRequest } from "../turn/request.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { beginOperation, type WorkspaceOperation } from "./operation.decisions.ts";

/** What the same request is answered with: the operation that it began. */
interface Begun {
  operation_id: string;
}

/** The operation that this very request began before; null where it did not, or where that failed. */
export async function begunBefore(
  deps: Pick<TurnDeps, "table">,
  key: SessionKey,
  request: ClientRequest,
): Promise<string | null> {
  const before = (await recall(deps.table, key, request)) as Begun | null;
  return before?.operation_id ?? null;
}

/** Marks what is wanted on the session and wakes the worker that sees to it. Throws `turn_running` and `busy`. */
export async function begin(
  deps: TurnDeps,
  key: SessionKey,
  request: ClientRequest,
  operationOn: (conversation: Conversation, now: number) => WorkspaceOperation,
): Promise<string> {
  const outcome = await transition(deps, key, (current, now) => {
    const operation = { ...operationOn(current, now), request_id: request.request_id ?? undefined };
    const begun: Begun = { operation_id: operation.id };
    const decided = beginOperation(current, operation, now);
    return { ...decided, extra: (entities) => remember(entities, key, request, begun, now), result: operation.id };
  });
  if (outcome.kind === "committed") {
    await wake(deps, key);
    return outcome.result;
  }
  const before = await begunBefore(deps, key, request);
  if (before === null) throw new AppError("busy");
  return before;
}
