import type { Job } from "../protocol/job.ts";

export interface JobQueue {
  /** Best effort by design: the sweeper finds what a lost job leaves. */
  send(job: Job): Promise<void>;
}
