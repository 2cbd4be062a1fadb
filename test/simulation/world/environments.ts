import { TranscriptCache } from "../../../shared/agent/transcript-cache.ts";
import type { Process } from "../kernel/process.ts";

interface Environment {
  transcripts: TranscriptCache;
  user: Process;
}

/** What a function's process remembers between two invocations, until it dies. */
export class Environments {
  private list: Environment[] = [];

  of(process: Process): TranscriptCache {
    const own = this.list.find(({ user }) => user === process);
    if (own) return own.transcripts;
    this.list = this.list.filter(({ user }) => !user.died);
    const free = this.list.find(({ user }) => !user.alive);
    if (free) {
      free.user = process;
      return free.transcripts;
    }
    const transcripts = new TranscriptCache();
    this.list.push({ transcripts, user: process });
    return transcripts;
  }
}
