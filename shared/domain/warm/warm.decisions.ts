import { bootSecretLifeMs, heartbeatLimitMs, startLimitMs } from "../container/container.decisions.ts";
import type { SessionKey } from "../timeline/row.ts";
import type { WarmSandbox } from "./warm.ts";

/** In place of a tenant, in keys and tokens of what is nobody's yet: no tenant's id is of the year 1970. */
export const poolTenant = "ten_00000000000000000000000000";
/** Its wake-up: "look at the pool". */
export const poolKey: SessionKey = { tenant_id: poolTenant, session_id: "00000000-0000-4000-8000-000000000000" };
/** Of a sandbox that nobody adopted: it has one life. */
export const poolEpoch = 1;
/** One that waited so long goes, so that a new image comes into use. */
const longestWaitMs = 6 * 60 * 60_000;
/** How long the row of one that was given away is needed: its adoption is repeated until then. */
const claimedKeptMs = bootSecretLifeMs;
/** Its row may have become warm before its launch was answered. */
const namelessMs = 60_000;
export const warmRowSeconds = 24 * 60 * 60;

export function isPool({ tenant_id }: Pick<SessionKey, "tenant_id">): boolean {
  return tenant_id === poolTenant;
}

/** It answered a moment ago, and nobody has it. */
export function canAdopt(warm: WarmSandbox, now: number): boolean {
  const isKnown = warm.task_id !== undefined && warm.connection_id !== undefined;
  return warm.status === "warm" && isKnown && now - warm.last_heartbeat_at < heartbeatLimitMs / 2;
}

function isDead({ status, task_id, created_at, last_heartbeat_at }: WarmSandbox, now: number): boolean {
  if (now - created_at > longestWaitMs) return true;
  if (status === "starting") return now - created_at > startLimitMs;
  return now - last_heartbeat_at > heartbeatLimitMs || (task_id === undefined && now - created_at > namelessMs);
}

export interface Refill {
  /** Dead, too old, or one too many. */
  retire: WarmSandbox[];
  /** Rows whose sandboxes are their sessions'. */
  forget: WarmSandbox[];
  launch: number;
}

/** What makes a pool of so many of what is there. */
export function refillOf(all: WarmSandbox[], wanted: number, now: number): Refill {
  const waiting = all.filter(({ status }) => status !== "claimed");
  const dead = waiting.filter((warm) => isDead(warm, now));
  const good = waiting.filter((warm) => !dead.includes(warm)).toSorted((a, b) => a.created_at - b.created_at);
  const claimed = all.filter(({ status }) => status === "claimed");
  return {
    retire: [...dead, ...good.slice(wanted)],
    forget: claimed.filter(({ claimed_at = 0 }) => now - claimed_at > claimedKeptMs),
    launch: Math.max(0, wanted - good.length),
  };
}
