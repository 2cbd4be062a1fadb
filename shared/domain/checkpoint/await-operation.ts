import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { readConversation } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { ClientRequest } from "../turn/request.ts";
import { begunBefore } from "./begin-operation.ts";
import { operatedOf, operationOf, type Operated } from "./operation.decisions.ts";

interface AwaitDeps {
  table: Table;
  clock: Clock;
}

/** HTTP answers within 29 s. */
const waitMs = 20_000;
const firstLookMs = 40;
const longestLookMs = 800;

/** How the operation that the request began ended; null where it has not yet. Throws what it failed with. */
export async function awaitOperation(
  deps: AwaitDeps,
  key: SessionKey,
  request: ClientRequest,
  id: string,
): Promise<Operated | null> {
  const operated = await awaitEnd(deps, key, id, waitMs);
  if (operated === "forgotten") return endedBefore(deps, key, request, id);
  return operated && checked(operated);
}

/** How an operation ended; null where it has not yet, `forgotten` where another one ended after it. */
export async function awaitEnd(
  deps: AwaitDeps,
  key: SessionKey,
  id: string,
  withinMs: number,
): Promise<Operated | "forgotten" | null> {
  const until = deps.clock.now() + withinMs;
  for (let pauseMs = firstLookMs; ; pauseMs = Math.min(pauseMs * 1.5, longestLookMs)) {
    const conversation = await readConversation(deps.table, key);
    if (!conversation) throw new AppError("not_found");
    const operated = operatedOf(conversation);
    if (operated?.id === id) return operated;
    if (operationOf(conversation)?.id !== id) return "forgotten";
    if (deps.clock.now() >= until) return null;
    await deps.clock.sleep(pauseMs);
  }
}

/** Another one ended after it: only one that did not fail is still remembered. */
async function endedBefore(deps: AwaitDeps, key: SessionKey, request: ClientRequest, id: string): Promise<Operated> {
  const failed = request.request_id !== null && (await begunBefore(deps, key, request)) !== id;
  if (failed) throw new AppError("sandbox_unavailable", "It came to nothing");
  return { id, checkpoint: null, seq: null, error: null };
}

function checked(operated: Operated): Operated {
  const { error } = operated;
  if (error) throw new AppError(error.code, error.message);
  return operated;
}
