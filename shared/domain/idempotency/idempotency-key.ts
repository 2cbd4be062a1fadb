import type { EntityItem } from "electrodb";
import { isConditionFailure } from "../../data/conditions.ts";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";
import { AppError } from "../../errors.ts";
import type { AnswerSeal } from "../../ports/answer-seal.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import { decideRepetition, lifeSeconds, lockMs, maxSealedBytes } from "./idempotency.decisions.ts";

export interface KeyDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  ids: Pick<Ids, "uuid">;
  seal: AnswerSeal;
}

export interface KeyedRequest {
  key: string;
  /** Null for a public route. */
  caller: { tenantId: string; holder: string } | null;
  /** Method and path pattern. */
  route: string;
  /** All that makes it this request and no other. */
  content: string;
}

export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string | null;
}

type Row = EntityItem<Platform["entities"]["idempotencyKey"]>;
type Place = Pick<Row, "tenant_id" | "scope" | "key_hash">;

/** The right to run the request once; it lapses with the lock. */
export interface Run {
  operationId: string;
  attempt: number;
  key: string;
  place: Place;
}

const maxTries = 3;
const contextOf = ({ tenant_id, scope, key_hash }: Place) => JSON.stringify([tenant_id, scope, key_hash]);
const expiryOf = (now: number) => Math.ceil(now / 1000) + lifeSeconds;

/**
 * Strangers share the public routes. There the place holds the request's MAC too, so that who guesses another's key meets
 * nothing, learns nothing and is in nobody's way.
 */
function placeOf({ key, caller, route }: KeyedRequest, fingerprint: string): Place {
  if (!caller) return { tenant_id: "public", scope: route, key_hash: digestOf(JSON.stringify([key, fingerprint])) };
  return { tenant_id: caller.tenantId, scope: `${caller.holder}#${route}`, key_hash: digestOf(key) };
}

/** False where the condition of a write does not hold. */
async function holds(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isConditionFailure(error)) return false;
    throw error;
  }
}

async function takeFirst(deps: KeyDeps, place: Place, key: string, fingerprint: string): Promise<Run | null> {
  const now = deps.clock.now();
  const operation_id = deps.ids.uuid();
  const lock = { attempt: 1, locked_until: now + lockMs, expires_at: expiryOf(now) };
  const creating = rows(deps.table)
    .entities.idempotencyKey.create({ ...place, ...lock, fingerprint, operation_id })
    .go();
  return (await holds(creating)) ? { operationId: operation_id, attempt: 1, key, place } : null;
}

type Renewed = Pick<Row, "operation_id" | "fingerprint" | "expires_at">;

/** Null where another request was quicker. */
async function takeOver(deps: KeyDeps, key: string, row: Row, renewed: Renewed | null): Promise<Run | null> {
  const { tenant_id, scope, key_hash } = row;
  const place = { tenant_id, scope, key_hash };
  const attempt = row.attempt + 1;
  const taking = rows(deps.table)
    .entities.idempotencyKey.patch(place)
    .set({ ...renewed, attempt, locked_until: deps.clock.now() + lockMs })
    .remove(["answer"])
    .where((present, { eq }) => eq(present.attempt, row.attempt))
    .go();
  const operationId = renewed?.operation_id ?? row.operation_id;
  return (await holds(taking)) ? { operationId, attempt, key, place } : null;
}

async function repeat(
  deps: KeyDeps,
  request: KeyedRequest,
  row: Row,
  fingerprint: string,
): Promise<Run | KeptAnswer | null> {
  const { key, content } = request;
  const same = row.fingerprint === fingerprint || (await deps.seal.matches(key, content, row.fingerprint));
  const now = deps.clock.now();
  const decision = decideRepetition(row, same, now);
  if (decision === "mismatch") throw new AppError("idempotency_mismatch");
  if (decision === "in_flight") throw new AppError("idempotency_in_flight", undefined, { retryAfterSeconds: 1 });
  if (decision === "fresh") {
    return takeOver(deps, key, row, { operation_id: deps.ids.uuid(), fingerprint, expires_at: expiryOf(now) });
  }
  const opened = decision === "replay" ? await deps.seal.open(key, contextOf(row), row.answer ?? "") : null;
  return opened === null ? takeOver(deps, key, row, null) : (JSON.parse(opened) as KeptAnswer);
}

/**
 * The right to run the request, or the answer that it got before. Throws `idempotency_mismatch`, `idempotency_in_flight`,
 * and `busy` where others take the same key again and again.
 */
export async function takeKey(deps: KeyDeps, request: KeyedRequest): Promise<Run | KeptAnswer> {
  const fingerprint = await deps.seal.fingerprint(request.key, request.content);
  const place = placeOf(request, fingerprint);
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const first = await takeFirst(deps, place, request.key, fingerprint);
    if (first) return first;
    const known = await rows(deps.table).entities.idempotencyKey.get(place).go({ consistent: true });
    const outcome = known.data && (await repeat(deps, request, known.data, fingerprint));
    if (outcome) return outcome;
  }
  throw new AppError("busy");
}

/** What a repetition will be answered with. Does nothing where the run took too long and another one began. */
export async function keepAnswer(deps: KeyDeps, run: Run, answer: KeptAnswer): Promise<void> {
  const sealed = await deps.seal.seal(run.key, contextOf(run.place), JSON.stringify(answer));
  await settle(deps, run, sealed.length > maxSealedBytes ? {} : { answer: sealed });
}

/** The request came to nothing: a repetition runs it again, under the same operation id. */
export async function giveBack(deps: KeyDeps, run: Run): Promise<void> {
  await settle(deps, run, {});
}

async function settle(deps: KeyDeps, run: Run, change: { answer?: string }): Promise<void> {
  const settling = rows(deps.table)
    .entities.idempotencyKey.patch(run.place)
    .set({ ...change, locked_until: 0 })
    .where((present, { eq }) => eq(present.attempt, run.attempt))
    .go();
  await holds(settling);
}
