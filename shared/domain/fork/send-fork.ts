import type { JobQueue } from "../../ports/job-queue.ts";
import type { Log } from "../../ports/log.ts";
import type { SessionKey } from "../timeline/row.ts";

/** Losing this costs time only: the sweeper finds what is due. */
export async function sendFork(deps: { jobs: JobQueue; log: Log }, key: SessionKey): Promise<void> {
  const { tenant_id, session_id } = key;
  try {
    await deps.jobs.send({ type: "session.fork", tenant_id, session_id });
  } catch (error) {
    deps.log.warn("job lost", { tenant_id, session_id, error: error instanceof Error ? error.message : String(error) });
  }
}
