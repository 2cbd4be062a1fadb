import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import type { HistoryDeps } from "../../shared/domain/session/history.ts";
import type { NewRow, SessionKey } from "../../shared/domain/timeline/row.ts";
import { storeBodies } from "../../shared/domain/timeline/timeline.ts";
import { startEngine } from "./engine.ts";
import { fixedSecret, scriptedModel } from "./fakes.ts";
import { seedLog } from "./seed.ts";

/** Sessions whose log is given, over a real table, and what reads their history. */
export async function startHistory() {
  const engine = await startEngine(scriptedModel([]));
  const cursors = signedCursors(fixedSecret("a secret of the tests"));
  const deps: HistoryDeps = { ...engine.deps, objects: engine.objects, cursors };

  async function sessionWith(log: NewRow[]): Promise<SessionKey> {
    const { tenant_id, session_id } = await engine.session();
    const key = { tenant_id, session_id };
    await storeBodies(engine.objects, key, log);
    await seedLog(engine.deps.table, key, log);
    return key;
  }

  return { engine, deps, sessionWith };
}
