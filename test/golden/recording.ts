import { scriptedModel } from "../support/fakes.ts";
import { dumpItems, dumpObjects, type Golden } from "./items.ts";
import type { Scenario } from "./scenarios.ts";
import { startGolden } from "./world.ts";

/** Plays a scenario on the engine of this tree, and takes down what it stored. */
export async function recordGolden(release: string, scenario: Scenario): Promise<Golden> {
  const { name, state, script, play } = scenario;
  const world = await startGolden(scriptedModel(script), `record ${name}`);
  try {
    const key = await world.engine.session();
    await play(world, key);
    return {
      release,
      name,
      state,
      now: world.engine.clock.now(),
      key,
      items: await dumpItems(world.engine.deps.table),
      objects: dumpObjects(world.engine.objects),
      answers: await world.answers(key),
    };
  } finally {
    await world.engine.stop();
  }
}
