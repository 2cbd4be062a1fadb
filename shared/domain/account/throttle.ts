import type { Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";
import type { Clock } from "../../ports/clock.ts";
import { type BucketPolicy, returnTokens, takeToken } from "../quota/bucket.ts";

interface ThrottleDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

/** What one network may do. Generous where an office shares an address; guessing a password costs from `login`. */
const ofAddress = {
  login: { name: "login-address", capacity: 60, refillPerSecond: 1 },
  refresh: { name: "refresh-address", capacity: 300, refillPerSecond: 10 },
  register: { name: "register-address", capacity: 30, refillPerSecond: 1 / 60 },
} as const satisfies Record<string, BucketPolicy>;

/** One account from one network: a person who mistypes. */
const accountFromAddress: BucketPolicy = { name: "login-account-address", capacity: 10, refillPerSecond: 1 / 30 };
/**
 * One account from everywhere. One network cannot empty it: what that network wins back in a minute is a third of what
 * this wins back. So a single attacker locks nobody out, and many win at most 8,640 guesses a day.
 */
const account: BucketPolicy = { name: "login-account", capacity: 100, refillPerSecond: 1 / 10 };

/** The network of an address: a household has one of IPv4 and 2^64 of IPv6. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  if (address.includes(".")) return address.slice(address.lastIndexOf(":") + 1);
  const [left = [], right = []] = address.split("::").map((half) => half.split(":").filter(Boolean));
  const zeros = address.includes("::") ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0") : [];
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}

export async function admitAddress(deps: ThrottleDeps, what: keyof typeof ofAddress, sourceIp: string): Promise<void> {
  await takeToken(deps, networkOf(sourceIp), ofAddress[what]);
}

export interface Guess {
  /** It was no guess: what it took is put back. */
  wasRight(): Promise<void>;
}

/**
 * Counts one attempt at an account's password, the same whether the account exists. The narrowest bucket that an
 * attacker cannot share with others is asked first, so that a refused attempt takes nothing from the account's own.
 */
export async function admitGuess(deps: ThrottleDeps, email: string, sourceIp: string): Promise<Guess> {
  const network = networkOf(sourceIp);
  const whom = digestOf(email);
  const taken: [string, BucketPolicy][] = [
    [network, ofAddress.login],
    [`${whom}#${network}`, accountFromAddress],
    [whom, account],
  ];
  for (const [scope, policy] of taken) await takeToken(deps, scope, policy);
  return {
    // Whoever was right is signed in by now: a token that is not put back must not undo that.
    wasRight: async () => {
      await Promise.allSettled(taken.map(([scope, policy]) => returnTokens(deps, scope, policy)));
    },
  };
}
