import type { Container } from "../domain/container/container.ts";
import { ensureContainer } from "../domain/container/ensure.ts";
import { relaunchAfterMs } from "../domain/container/container.decisions.ts";
import { keepWish, type Refusal } from "../domain/container/want.decisions.ts";
import { transition, type Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey } from "../domain/timeline/row.ts";
import { wake } from "../domain/turn/turn.ts";
import { AppError } from "../errors.ts";
import type { StepDeps } from "./step-deps.ts";
import { noticeLoss } from "./watch-sandbox.ts";

interface Found {
  container: Container | null;
  refusal: Refusal | null;
}

async function find(deps: StepDeps, key: SessionKey): Promise<Found> {
  try {
    // Who found one that is ready had no use for a wish, but that it did not answer.
    await noticeLoss(deps, key, true);
    return { container: await ensureContainer(deps, key), refusal: null };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    deps.log.warn("no container", { ...key, error: message });
    const isFinal = error instanceof AppError && error.code === "quota_exceeded";
    return { container: null, refusal: isFinal ? { code: error.code, message } : null };
  }
}

/** Starts the container that somebody waits for, and looks again until it is ready or nobody waits any more. */
export async function serveWish(
  deps: StepDeps,
  key: SessionKey,
  { container_wanted_until: until }: Conversation,
  hops: number,
): Promise<void> {
  if (until === undefined) return;
  const isLate = until <= deps.clock.now();
  const found = isLate ? { container: null, refusal: null } : await find(deps, key);
  const kept = await transition(deps, key, (current, now) => keepWish(current, found, now));
  if (kept.kind === "committed" && kept.result.isOpen) {
    await wake(deps, key, Math.ceil(relaunchAfterMs / 1000), hops + 1);
  }
}
