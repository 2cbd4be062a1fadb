import { fakeDoor } from "../../../support/fakes.ts";
import { runningSandbox, terminalAnswers } from "../../../support/running-sandbox.ts";
import type { Ask, Examples, World } from "../world.ts";
import { session } from "./sessions.ts";

/** A session whose sandbox runs, and answers so at its door. */
async function asked(world: World, answers: typeof terminalAnswers): Promise<Ask> {
  const session_id = await session(world);
  await runningSandbox(world.platform.deps, { tenant_id: world.owner.tenant.id, session_id });
  return { path: `/sessions/${session_id}/terminals`, changed: { door: fakeDoor(answers) } };
}

export const terminalExamples: Examples = {
  listTerminals: {
    status: 200,
    ask: (world) => asked(world, terminalAnswers),
    fails: { sandbox_unavailable: (world) => asked(world, {}) },
  },
};
