import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyFolder } from "../../../../containers/sandbox/src/supervisor/git/folder-tree.ts";
import { ObjectStore } from "../../../../containers/sandbox/src/supervisor/git/object-store.ts";
import { StatCache } from "../../../../containers/sandbox/src/supervisor/git/stat-cache.ts";
import type { FilesChanged } from "../../../../containers/sandbox/src/supervisor/workspace/file-events.ts";
import { Workspace } from "../../../../containers/sandbox/src/supervisor/workspace/workspace.ts";

export interface OpenWorkspace {
  path: string;
  workspace: Workspace;
  events: FilesChanged[];
  close: () => void;
}

/** A watched, empty workspace on disk. */
export async function openWorkspace(
  share: (paths: string[]) => Promise<void> = async () => undefined,
): Promise<OpenWorkspace> {
  const folder = mkdtempSync(join(tmpdir(), "workspace-"));
  const path = join(folder, "workspace");
  mkdirSync(path);
  const store = new ObjectStore(join(folder, "git"));
  await store.create();
  const events: FilesChanged[] = [];
  const workspace = new Workspace({
    path,
    markFolder: join(folder, "marks"),
    store,
    stats: new StatCache(),
    root: emptyFolder,
    onFilesChanged: (changed) => events.push(changed),
    share,
  });
  workspace.watch();
  return {
    path,
    workspace,
    events,
    close: () => (workspace.close(), rmSync(folder, { recursive: true, force: true })),
  };
}

/** Takes a snapshot and makes it the last one; its tree. */
export async function keepSnapshot(workspace: Workspace): Promise<string> {
  const { snapshot, keep } = await workspace.snapshot();
  keep();
  return snapshot.root.oid;
}
