import type { Door } from "../door/door.ts";
import type { PlatformLink } from "../platform/platform-link.ts";
import type { FileAuthor } from "../workspace/file-events.ts";
import { EditGuard } from "./edit-guard.ts";
import { FileAuthors } from "./file-authors.ts";
import { serveFiles } from "./files.ts";
import type { FileToolbox } from "./toolbox-files.ts";
import { Transfers } from "./transfers.ts";

interface LiveFilesOptions {
  door: Door;
  toolbox: FileToolbox;
  link: Pick<PlatformLink, "request">;
  /** Resolves when the workspace holds the session's files. */
  ready: Promise<unknown>;
  workspace: string;
  stateDirectory: string;
  now: () => number;
}

/** People at the workspace's files, and what others must know of that. */
export class LiveFiles {
  readonly guard: EditGuard;
  readonly #authors: FileAuthors;

  constructor({ door, toolbox, link, ready, workspace, stateDirectory, now }: LiveFilesOptions) {
    this.guard = new EditGuard(workspace);
    this.#authors = new FileAuthors(now);
    const transfers = new Transfers({ toolbox, link, stateDirectory });
    serveFiles(door, { toolbox, transfers, ready, authors: this.#authors, guard: this.guard });
  }

  /** A person changes these, by another way than the door. */
  note(paths: string[]): void {
    for (const path of paths) this.#authors.note(path);
  }

  /** Who is taken to have changed a file that the watcher reports. */
  authorOf(path: string, isToolRunning: boolean): FileAuthor {
    if (this.#authors.isByUser(path)) return "user";
    return isToolRunning ? "assistant" : "process";
  }
}
