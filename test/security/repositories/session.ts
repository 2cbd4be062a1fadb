import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointMaker } from "../../../containers/sandbox/src/supervisor/git/checkpoint-maker.ts";
import { Pusher } from "../../../containers/sandbox/src/supervisor/git/pusher.ts";
import { prepareWorkspace } from "../../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { Workspace } from "../../../containers/sandbox/src/supervisor/workspace/workspace.ts";
import type { PushOutcome, PushTarget, TakenCheckpoint } from "../../../shared/protocol/sandbox-frame.ts";
import { emptySource } from "../../../shared/protocol/sandbox-frame.ts";

interface OpenSession {
  workspace: string;
  gitdir: string;
  /** Null where nothing has changed. */
  checkpoint: () => Promise<TakenCheckpoint | null>;
  /** Everything is compared with what was checked out. */
  distrust: () => void;
  push: (target: PushTarget) => Promise<PushOutcome>;
  close: () => void;
}

const person = { name: "Test", email: "test@example.com" };

/** The supervisor's own parts, in this process, on a repository of the host. Throws where it cannot be prepared. */
export async function openSession(repo_url: string, target_branch: string | null): Promise<OpenSession> {
  const folder = mkdtempSync(join(tmpdir(), "hostile-"));
  const path = join(folder, "workspace");
  mkdirSync(path);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const prepared = await prepareWorkspace({ ...emptySource, repo_url, target_branch }, path, folder).catch(
    (error: unknown) => {
      remove();
      throw error;
    },
  );
  const { store, stats, root, history } = prepared;
  const silent = { onFilesChanged: () => undefined, share: async () => undefined };
  const workspace = new Workspace({ path, markFolder: join(folder, "marks"), store, stats, root, ...silent });
  workspace.watch();
  const pusher = new Pusher({ history, random: Math.random, onPushed: () => undefined });
  const uploads = { put: async () => randomUUID() };
  const maker = new CheckpointMaker({ uploads, workspace, history, isFirst: true, now: Date.now });
  return {
    workspace: path,
    gitdir: store.gitdir,
    async checkpoint() {
      const { snapshot, keep } = await workspace.snapshot();
      if (snapshot.root.oid === workspace.saved.oid) return null;
      const taken = await maker.save({ message: "work", author: person, co_author: person }, snapshot);
      keep();
      return taken;
    },
    distrust: () => workspace.distrust("the test looks"),
    push: (target) => pusher.push(target),
    close: () => (workspace.close(), pusher.close(), store.close(), remove()),
  };
}
