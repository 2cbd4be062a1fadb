import {
  giveBack,
  keepAnswer,
  takeKey,
  type KeyDeps,
  type KeyedRequest,
  type Run,
} from "../../shared/domain/idempotency/idempotency-key.ts";
import { AppError, meaningOf } from "../../shared/errors.ts";
import type { Log } from "../../shared/ports/log.ts";
import { problemAnswer, type Answer } from "./answer.ts";

export const keyHeader = "idempotency-key";

/** Null where the header is absent. Throws `validation_failed` for one that is no key. */
export function readKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return header;
  const issues = [{ path: `header.${keyHeader}`, message: "must be 1 to 255 visible ASCII characters" }];
  throw new AppError("validation_failed", undefined, { issues });
}

/** Answers that the same request may not get again: it runs again instead. */
function isFinal(error: AppError): boolean {
  const { status, retryable } = meaningOf(error.code);
  return !retryable && status < 500 && status !== 401 && status !== 429;
}

/** A caller who got an answer must not lose it because the answer could not be kept. */
async function settle(deps: KeyDeps & { log: Log }, requestId: string, settling: Promise<void>): Promise<void> {
  await settling.catch((error: unknown) => {
    deps.log.warn("answer was not kept", { request_id: requestId, error: String(error) });
  });
}

async function runOnce(
  deps: KeyDeps & { log: Log },
  requestId: string,
  taken: Run,
  run: (operationId: string) => Promise<Answer>,
): Promise<Answer> {
  try {
    const answer = await run(taken.operationId);
    await settle(deps, requestId, keepAnswer(deps, taken, answer));
    return answer;
  } catch (error) {
    const kept = error instanceof AppError && isFinal(error) ? problemAnswer(error, requestId) : null;
    await settle(deps, requestId, kept ? keepAnswer(deps, taken, kept) : giveBack(deps, taken));
    throw error;
  }
}

/** Runs a request that came with a key, or gives it the answer that it got before. */
export async function withKey(
  deps: KeyDeps & { log: Log },
  requestId: string,
  request: KeyedRequest,
  run: (operationId: string) => Promise<Answer>,
): Promise<Answer> {
  const taken = await takeKey(deps, request);
  if ("operationId" in taken) return runOnce(deps, requestId, taken, run);
  return { ...taken, headers: { ...taken.headers, "idempotent-replayed": "true" } };
}
