import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { DoorAddress, SandboxDoor } from "../../ports/sandbox-door.ts";
import type { DoorOp } from "../../protocol/door.ts";
import { ErrorCode } from "../../protocol/error-code.ts";
import { readConversation, transition } from "../conversation/conversation.ts";
import type { SessionKey } from "../timeline/row.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { latestContainer, type Container } from "./container.ts";
import { isUsable, wishContainer } from "./want.decisions.ts";

export type WantDeps = Pick<TurnDeps, "table" | "objects" | "clock" | "ids" | "queue" | "log">;
export type DoorDeps = WantDeps & { door: SandboxDoor };

/** How long a request waits for a sandbox that starts: HTTP answers within 29 s, and has to do what was asked. */
export const defaultWaitMs = 12_000;
const firstLookMs = 100;
const lookMs = 400;
const retryAfterSeconds = 2;

/** Marks the session as in want of a container, and wakes the worker that may start one. Throws `not_found`. */
export async function wantContainer(deps: WantDeps, key: SessionKey): Promise<void> {
  await transition(deps, key, wishContainer);
  await wake(deps, key);
}

function doorOf(container: Container): DoorAddress {
  const { private_ip, control_key } = container;
  if (!private_ip || !control_key) throw new AppError("sandbox_unavailable", "This sandbox can not be reached");
  return { address: private_ip, controlKey: control_key };
}

/** The door of the container that runs; null where none does. Starts nothing. */
export async function openDoor(deps: Pick<WantDeps, "table" | "clock">, key: SessionKey): Promise<DoorAddress | null> {
  const container = await latestContainer(deps.table, key);
  return container && isUsable(container, deps.clock.now()) ? doorOf(container) : null;
}

/** What the worker refused the wish with. */
async function throwRefusal(deps: WantDeps, key: SessionKey, since: number): Promise<void> {
  const conversation = await readConversation(deps.table, key);
  if (!conversation) throw new AppError("not_found");
  const refused = conversation.container_refused;
  if (!refused || refused.at < since) return;
  const code = ErrorCode.safeParse(refused.code);
  throw new AppError(code.success ? code.data : "sandbox_unavailable", refused.message);
}

/** The container's door, once it is ready. Throws `not_found`, `quota_exceeded`, and `sandbox_starting` after `waitMs`. */
export async function awaitDoor(deps: WantDeps, key: SessionKey, waitMs = defaultWaitMs): Promise<DoorAddress> {
  const since = deps.clock.now();
  const known = await openDoor(deps, key);
  if (known) return known;
  await wantContainer(deps, key);
  for (let pauseMs = firstLookMs; deps.clock.now() - since < waitMs; pauseMs = Math.min(pauseMs * 2, lookMs)) {
    await deps.clock.sleep(pauseMs);
    const door = await openDoor(deps, key);
    if (door) return door;
    await throwRefusal(deps, key, since);
  }
  throw new AppError("sandbox_starting", undefined, { retryAfterSeconds });
}

/**
 * Nobody answered at a door that should be open: the wish has the worker ask the provider whether that task still runs, long
 * before its heartbeats are missed. The same request succeeds once the next one runs.
 */
async function doubted(deps: WantDeps, key: SessionKey, error: unknown): Promise<never> {
  if (!(error instanceof AppError && error.code === "sandbox_unavailable")) throw error;
  await wantContainer(deps, key);
  throw new AppError(error.code, error.message, { cause: error, retryAfterSeconds });
}

/** Asks the session's sandbox, which is started first where none runs. */
export async function askSandbox<Body extends z.ZodType, Result extends z.ZodType>(
  deps: DoorDeps,
  key: SessionKey,
  op: DoorOp<Body, Result>,
  body: z.input<Body>,
  { waitMs = defaultWaitMs, timeoutMs = 10_000 }: { waitMs?: number; timeoutMs?: number } = {},
): Promise<z.output<Result>> {
  const door = await awaitDoor(deps, key, waitMs);
  return deps.door.ask(door, op, body, { timeoutMs }).catch((error: unknown) => doubted(deps, key, error));
}
