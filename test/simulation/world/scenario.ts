import type { Delivery } from "../../../shared/protocol/client-frame.ts";
import { RestoreWhat } from "../../../shared/protocol/server-event.ts";
import type { Random } from "../kernel/random.ts";

export type Action =
  | { kind: "prompt"; afterMs: number; content: string; delivery: Delivery }
  | { kind: "interrupt"; afterMs: number }
  /** Takes the prompt that was sent last out of the queue. */
  | { kind: "cancel"; afterMs: number }
  /** Turns the queue round. */
  | { kind: "reorder"; afterMs: number }
  /** Goes back to one of the checkpoints that are there, or to the beginning. */
  | { kind: "restore"; afterMs: number; what: RestoreWhat }
  /** A checkpoint on demand. */
  | { kind: "checkpoint"; afterMs: number }
  /** Somebody wants the sandbox, and no turn. */
  | { kind: "wish"; afterMs: number };

/** What a person does between two turns: the next thing is done without waiting for it. */
export const isBeside = ({ kind }: Action) => kind === "restore" || kind === "checkpoint" || kind === "wish";

/** What one person does with one session: each action follows some time after the one before. */
export interface Script {
  actions: Action[];
  /** Watches on a socket of its own. */
  watches: boolean;
  /** Answers what is asked of a person; else it stays open. */
  decides: boolean;
  /** At the earliest after so long. */
  decidesAfterMs?: number;
}

/** A month's limit of the tenant, or of its only user. */
export interface Budget {
  scope: "tenant" | "user";
  tokens: number;
}

export interface Scenario {
  /** One for each session. */
  scripts: Script[];
  /** The sandbox runs from before. */
  warm: boolean;
  /** Heartbeats come as frames, not straight into the row. */
  realBeats: boolean;
  budget?: Budget;
}

/** A call takes some 10,000 tokens: it is used up before the first one, or after some. */
export function budgetOf(random: Random): Budget {
  return { scope: random.pick(["tenant", "user"] as const), tokens: random.int(1, 60_000) };
}

function planOf(random: Random): string {
  const steps = random.pick([0, 0, 1, 1, 1, 2]);
  const parts = Array.from({ length: steps }, () =>
    random.pick(["0", "1", "1", "1", "1a", "1q", "2", "2a", "2q", "3"]),
  );
  return `[${parts.join(",")}]`;
}

function promptOf(random: Random, number: number, afterMs: number): Action {
  const delivery = number === 1 ? "queue" : random.pick(["queue", "queue", "steer", "interrupt"] as const);
  return { kind: "prompt", afterMs, content: `Prompt ${number}: ${planOf(random)}`, delivery };
}

/** Mostly while something runs. */
const pause = (random: Random) => (random.chance(0.7) ? random.between(1, 800) : random.between(800, 20_000));

export function operationOf(random: Random, afterMs: number): Action {
  const kind = random.pick(["restore", "restore", "restore", "checkpoint", "wish"] as const);
  return kind === "restore" ? { kind, afterMs, what: random.pick(RestoreWhat.options) } : { kind, afterMs };
}

/** One or two of them, and now and then a prompt that comes meanwhile. */
function operationsOf(random: Random, number: number): Action[] {
  const all = [operationOf(random, pause(random))];
  if (random.chance(0.4)) all.push(promptOf(random, number + 1, random.between(1, 1500)));
  if (random.chance(0.3)) all.push(operationOf(random, pause(random)));
  return all;
}

function scriptOf(random: Random): Script {
  const actions: Action[] = [promptOf(random, 1, random.between(0, 50))];
  if (random.chance(0.25)) actions.push({ kind: "interrupt", afterMs: pause(random) });
  if (random.chance(0.35)) actions.push(promptOf(random, 2, pause(random)));
  if (actions.length > 1 && random.chance(0.3)) actions.push({ kind: "cancel", afterMs: pause(random) });
  if (actions.length > 1 && random.chance(0.1)) actions.push({ kind: "reorder", afterMs: pause(random) });
  const decides = random.chance(0.9);
  if (decides && random.chance(0.2)) actions.push(...operationsOf(random, actions.length));
  return { actions, watches: random.chance(0.15), decides };
}

const prompt = (number: number, afterMs: number, plan: string, delivery: Delivery = "queue"): Action => ({
  kind: "prompt",
  afterMs,
  content: `Prompt ${number}: [${plan}]`,
  delivery,
});

/** The smallest settings of what people do: a schedule of one is over soon, and so there can be many. */
const small: readonly ((random: Random) => Action[])[] = [
  () => [prompt(1, 1, "")],
  (random) => [prompt(1, 1, random.pick(["1", "1", "2"]))],
  (random) => [prompt(1, 1, random.pick(["1a", "1q"]))],
  (random) => [prompt(1, 1, random.pick(["", "1"])), { kind: "interrupt", afterMs: pause(random) }],
  (random) => [
    prompt(1, 1, random.pick(["", "", "1"])),
    prompt(2, pause(random), "", random.pick(["queue", "steer", "interrupt"])),
  ],
  (random) => [prompt(1, 1, ""), prompt(2, random.between(1, 50), ""), { kind: "cancel", afterMs: pause(random) }],
  (random) => [operationOf(random, 1)],
  (random) => [operationOf(random, 1), prompt(2, random.between(1, 1500), "")],
];

export function smallScenario(random: Random): Scenario {
  const script = { actions: random.pick(small)(random), watches: random.chance(0.1), decides: true };
  return { scripts: [script], warm: random.chance(0.75), realBeats: random.chance(0.1) };
}

export function randomScenario(random: Random): Scenario {
  const sessions = random.chance(0.1) ? 2 : 1;
  return {
    scripts: Array.from({ length: sessions }, () => scriptOf(random)),
    warm: random.chance(0.6),
    realBeats: random.chance(0.1),
    ...(random.chance(0.1) ? { budget: budgetOf(random) } : {}),
  };
}
