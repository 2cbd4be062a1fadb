import { fileOps } from "../../../../../shared/protocol/file.ts";
import type { Door } from "../door/door.ts";
import type { EditGuard } from "./edit-guard.ts";
import type { FileAuthors } from "./file-authors.ts";
import { askFiles, type FileToolbox } from "./toolbox-files.ts";
import type { Transfers } from "./transfers.ts";

export interface FilesOptions {
  toolbox: FileToolbox;
  transfers: Transfers;
  /** Resolves when the workspace holds the session's files. */
  ready: Promise<unknown>;
  authors: FileAuthors;
  guard: EditGuard;
}

/** What people may ask about the workspace's files. The work is done where people's code runs: here no path of theirs is opened. */
export function serveFiles(door: Door, { toolbox, transfers, ready, authors, guard }: FilesOptions): void {
  /** Named as a person's before it happens and after: its event may come either side of the answer. */
  const byUser = async <T>(paths: string[], run: () => Promise<T>): Promise<T> => {
    await ready;
    for (const path of paths) authors.note(path);
    const result = await run();
    for (const path of paths) authors.note(path);
    return result;
  };
  const wrote = async (path: string, run: () => Promise<unknown>) => {
    const result = fileOps.write.result.parse(await byUser([path], run));
    guard.edited(path);
    return result;
  };

  door.on(fileOps.list, async (body) => {
    await ready;
    return fileOps.list.result.parse(await askFiles(toolbox, { call: "list", body }));
  });
  door.on(fileOps.read, async (body) => {
    await ready;
    return fileOps.read.result.parse(await askFiles(toolbox, { call: "read", body }));
  });
  door.on(fileOps.search, async (body) => {
    await ready;
    return fileOps.search.result.parse(await askFiles(toolbox, { call: "search", body }));
  });
  door.on(fileOps.write, (body) => wrote(body.path, () => askFiles(toolbox, { call: "write", body })));
  door.on(fileOps.fetch, (body) => wrote(body.path, () => transfers.fetch(body)));
  door.on(fileOps.delete, (body) =>
    byUser([body.path], async () => fileOps.delete.result.parse(await askFiles(toolbox, { call: "delete", body }))),
  );
  door.on(fileOps.move, (body) =>
    byUser([body.from, body.to], async () =>
      fileOps.move.result.parse(await askFiles(toolbox, { call: "move", body })),
    ),
  );
  door.on(fileOps.send, async ({ path }) => {
    await ready;
    return transfers.send(path);
  });
  door.on(fileOps.archive, async ({ path }) => {
    await ready;
    return transfers.archive(path);
  });
}
