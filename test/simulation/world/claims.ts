import type { Process } from "../kernel/process.ts";
import type { TransactAction, UpdateRequest } from "../table/requests.ts";

const answerLabel = "table.transact:message(assistant)";

/** A step that failed so often is given up. */
const mostTries = 5;

/** Two clocks may be so far apart, and a little. */
const skewMs = 5000;

interface Claim {
  worker: Process;
  at: number;
  tries: number;
}

/** How a write changes the conversation: alone, or first of a transaction. */
function updateOf(name: string, input: unknown): UpdateRequest | null {
  const isAlone = name === "UpdateCommand";
  const update = isAlone
    ? (input as UpdateRequest)
    : (input as { TransactItems?: TransactAction[] }).TransactItems?.[0]?.Update;
  return update && String(update.Key["sk"]).startsWith("$conversation") ? update : null;
}

/** A claim counts a try; a lease that is kept, or given back, does not: 0. */
function triesOf({ UpdateExpression, ExpressionAttributeValues = {} }: UpdateRequest): number {
  const tries = /#attempts = (:\w+)/.exec(UpdateExpression)?.[1];
  return tries === undefined ? 0 : Number(ExpressionAttributeValues[tries]);
}

/** What the write says of the lease; null where it says nothing. */
function leaseOf({ UpdateExpression, ExpressionAttributeValues = {} }: UpdateRequest): number | null {
  const lease = /#lease_until = (:\w+)/.exec(UpdateExpression)?.[1];
  return lease === undefined ? null : Number(ExpressionAttributeValues[lease]);
}

/** Who claimed the step of each session last: nobody else's answer may join the log. */
export class Claims {
  readonly complaints: string[] = [];
  private readonly leases = new Map<string, number>();
  private readonly claims = new Map<string, Claim[]>();

  /** Somebody else claimed the same step after it, or it asked the model when its claim was old. */
  wasTakenOver(session: string, worker: Process, askedAt: number): boolean {
    const claims = this.claims.get(session) ?? [];
    const own = claims.findLastIndex((claim) => claim.worker === worker);
    const { at = 0 } = claims[own] ?? {};
    return own < 0 || askedAt > at + skewMs || (claims[own + 1]?.tries ?? 0) > 1;
  }

  /** After a write that was carried out. */
  note(name: string, label: string, input: unknown, process: Process, now: number): void {
    const { session } = process;
    if (session === null) return;
    const heldUntil = this.leases.get(session) ?? 0;
    const update = updateOf(name, input);
    const lease = update && leaseOf(update);
    if (lease !== null) this.leases.set(session, lease);
    if (process.kind === "events" && label.includes("turn.ended") && heldUntil > now + skewMs)
      this.complaints.push(`a dead letter ended a turn that a worker is at until ${heldUntil}`);
    if (process.kind !== "worker") return;
    if (update) {
      const tries = triesOf(update);
      if (tries > 0 && heldUntil > now + skewMs)
        this.complaints.push(`worker ${process.id} claimed a step that is held`);
      this.claim(session, process, tries, now);
    }
    if (label !== answerLabel) return;
    const holder = this.claims.get(session)?.at(-1)?.worker;
    if (holder !== process) this.complaints.push(`worker ${process.id} answered the step of worker ${holder?.id}`);
  }

  private claim(session: string, worker: Process, tries: number, at: number): void {
    if (tries === 0) return;
    if (tries > mostTries) this.complaints.push(`worker ${worker.id} tries a step for the ${tries}th time`);
    const claims = this.claims.get(session) ?? [];
    claims.push({ worker, tries, at });
    this.claims.set(session, claims);
  }
}
