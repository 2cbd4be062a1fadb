import { removeSession } from "../../shared/domain/session/removal.ts";
import { Job } from "../../shared/protocol/job.ts";
import { onRecords } from "../kit/queue.ts";
import { liveJobs } from "../live/jobs.ts";

export const handler = onRecords(Job, liveJobs, removeSession);
