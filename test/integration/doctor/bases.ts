import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import { scenarios } from "../../golden/scenarios.ts";
import { startGolden } from "../../golden/world.ts";
import { scriptedModel } from "../../support/fakes.ts";

export interface Base {
  rows: SessionRows;
  now: number;
}

/** What the real engine stored in a scenario. */
export async function baseOf(name: string): Promise<Base> {
  const scenario = scenarios.find((one) => one.name === name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  const world = await startGolden(scriptedModel(scenario.script), `doctor ${name}`);
  try {
    const key = await world.engine.session();
    await scenario.play(world, key);
    const rows = await readSessionForDoctor(world.engine.deps, key);
    if (!rows) throw new Error("the session is not there");
    return { rows, now: world.engine.clock.now() };
  } finally {
    await world.engine.stop();
  }
}
