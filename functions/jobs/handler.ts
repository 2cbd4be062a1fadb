import { tidySession } from "../../shared/domain/checkpoint/tidy.ts";
import { copyFork } from "../../shared/domain/fork/copy.ts";
import { removeSession } from "../../shared/domain/session/removal.ts";
import { Job } from "../../shared/protocol/job.ts";
import { onRecords } from "../kit/queue.ts";
import { liveJobs, type JobDeps } from "../live/jobs.ts";

async function run(deps: JobDeps, job: Job): Promise<void> {
  if (job.type === "session.remove") await removeSession(deps, job);
  else if (job.type === "session.tidy") await tidySession(deps, job);
  else await copyFork(deps, job);
}

export const handler = onRecords(Job, liveJobs, run);
