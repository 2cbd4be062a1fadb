import { checkSession, doctorRows } from "../checks/doctor.ts";
import { checkSeen } from "../checks/seen.ts";
import type { FaultPlan } from "../kernel/faults.ts";
import type { Random } from "../kernel/random.ts";
import type { Scenario } from "../world/scenario.ts";
import type { Stage } from "../world/stage.ts";
import { World } from "../world/world.ts";
import { restore, type Pasts } from "./past.ts";

/** After the last fault, and the last thing that a person did, so long at most until every session rests. */
const recoveryBoundMs = 120_000;
const longestMs = 3_600_000;
/** Everything from before is below. */
const firstId = 10_000;

export interface Played {
  violations: string[];
  trace: string[] | null;
  injected: string[];
  recoveryMs: number;
  ios: number;
  visits: ReadonlyMap<string, number>;
  modelCalls: number;
  wasted: number;
}

type Complain = (text: string) => void;

let tenants = 0;

/** Another tenant each time: what a process remembers of the last one must not reach into this schedule. */
function castOf(random: Random, sessions: number) {
  const hex = (length: number) => Array.from({ length }, () => random.int(0, 15).toString(16)).join("");
  return {
    tenant_id: `ten_${String((tenants += 1)).padStart(26, "0")}`,
    user_id: "usr_00000000000000000000000001",
    sessions: Array.from({ length: sessions }, () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`),
    firstId,
  };
}

/** Plays until every session rests; then who watched asks for what was missed. Answers how long that took. */
async function settle(world: World, complain: Complain): Promise<number> {
  const { kernel, clients } = world;
  const until = kernel.now + longestMs;
  await kernel.run(() => world.isAtRest || kernel.now > until);
  const from = Math.max(kernel.faults.lastAt, ...clients.map(({ finishedAt }) => finishedAt));
  const recoveryMs = Math.max(0, kernel.now - from);
  if (!world.isAtRest) complain("I5 it never came to rest");
  else if (recoveryMs > recoveryBoundMs) complain(`I5 it took ${Math.round(recoveryMs / 1000)} s to come to rest`);
  kernel.calm();
  const watching = clients.filter(({ watches }) => watches);
  for (const client of watching) client.catchUp();
  if (watching.length > 0) await kernel.run(() => watching.every(({ isCaughtUp }) => isCaughtUp) || kernel.now > until);
  return recoveryMs;
}

function check(world: World, complain: Complain): number {
  const items = [...world.table.rows.itemsOf(null)];
  const { tenant_id, sessions } = world.cast;
  const all = sessions.map((session) => doctorRows(items, tenant_id, session));
  for (const rows of all) checkSession(rows, world.kernel.now, complain);
  return checkSeen(world, all, complain);
}

/** One schedule from its first event to rest, and what is wrong at its end. */
export async function play(
  stage: Stage,
  pasts: Pasts,
  random: Random,
  { scenario, faults, traced }: { scenario: Scenario; faults: FaultPlan; traced: boolean },
): Promise<Played> {
  const world = new World(stage.deps, random, castOf(random, scenario.scripts.length), scenario, faults, traced);
  stage.play(world);
  restore(pasts, world);
  world.begin();
  const violations: string[] = [];
  const complain: Complain = (text) => void violations.push(text);
  const recoveryMs = await settle(world, complain).catch((error: unknown) => {
    complain(`I5 ${String(error)}`);
    return 0;
  });
  const wasted = check(world, complain);
  const { trace, ios, visits } = world.kernel;
  const modelCalls = world.model.calls.length;
  return { violations, trace, injected: faults.injected, recoveryMs, ios, visits, modelCalls, wasted };
}
