import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Checkpoints } from "../../containers/sandbox/src/supervisor/git/checkpoints.ts";
import { Pusher } from "../../containers/sandbox/src/supervisor/git/pusher.ts";
import type { PlatformLink } from "../../containers/sandbox/src/supervisor/platform/platform-link.ts";
import { Uploads } from "../../containers/sandbox/src/supervisor/platform/uploads.ts";
import { prepareWorkspace, type PreparedWorkspace } from "../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { Workspace } from "../../containers/sandbox/src/supervisor/workspace/workspace.ts";
import type { FilesChanged } from "../../containers/sandbox/src/supervisor/workspace/file-events.ts";
import { grantUpload } from "../../shared/domain/container/upload.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { PushTarget, SandboxFrame } from "../../shared/protocol/sandbox-frame.ts";

type Taken = Extract<SandboxFrame, { type: "sandbox.checkpoint_taken" }>;

export interface OurWorkspace {
  path: string;
  prepared: PreparedWorkspace;
  /** Null: nothing is uploaded, a grant says that everything is there. */
  objects: { current: Objects | null };
  onFiles: { current: (changed: FilesChanged) => void };
  checkpoint: () => Promise<void>;
  push: (target: PushTarget) => Promise<void>;
  close: () => void;
}

const person = { name: "bench", email: "bench@example.com" };
const link = { key: { tenant_id: "bench", session_id: "bench" }, epoch: 1, connectionId: "bench" };

function uploadsTo(objects: OurWorkspace["objects"]): Uploads {
  const request: PlatformLink["request"] = async (frame) => {
    if (frame.type !== "sandbox.upload_request") throw new Error(`no answer to ${frame.type}`);
    if (objects.current) return { ...(await grantUpload(objects.current, link, frame)) };
    return { key: `${frame.purpose}/${frame.sha256}`, url: null, headers: {} };
  };
  return new Uploads({ request }, Math.random);
}

/** A session's workspace as the supervisor opens it, but for the WebSocket: a request for an upload is answered here. */
export async function openOurs(directory: string, url: string): Promise<OurWorkspace> {
  const path = join(directory, "workspace");
  mkdirSync(path, { recursive: true });
  const state = join(directory, "state");
  const source = { repo_url: url, target_branch: "main", base_commit: null, branch: null, commit: null, pack_urls: [] };
  const prepared = await prepareWorkspace(source, path, state);
  const objects: OurWorkspace["objects"] = { current: null };
  const onFiles: OurWorkspace["onFiles"] = { current: () => undefined };
  const uploads = uploadsTo(objects);
  const { store, stats, root, history } = prepared;
  const silent = { share: async () => undefined };
  const kept = { store, stats, root, onFilesChanged: (changed: FilesChanged) => onFiles.current(changed) };
  const workspace = new Workspace({ path, markFolder: join(state, "marks"), ...kept, ...silent });
  workspace.watch();
  const pusher = new Pusher({ history, random: Math.random, onPushed: () => undefined });
  let taken: Omit<Taken, "frame_id"> | null = null;
  const sendDurable = (frame: { type: string }): void => void (taken = frame as Omit<Taken, "frame_id">);
  const toPlatform = { sendDurable, request: async () => ({}) };
  const git = { uploads, workspace, path, stats, history, pusher, now: Date.now };
  const nobody = { onRestoring: () => undefined, onBroken: () => undefined, share: async () => undefined };
  const first = { isFirst: false, hasRemote: true, isHeld: false, checkpointAs: undefined };
  const checkpoints = new Checkpoints({ link: toPlatform, ...git, ...nobody, ...first });
  return {
    path,
    prepared,
    objects,
    onFiles,
    async checkpoint() {
      await checkpoints.take({
        type: "checkpoint.take",
        turn_id: `turn_${randomUUID()}`,
        message: "one file",
        author: person,
        co_author: person,
        push: null,
      });
      if (taken === null || taken.error !== null || !taken.checkpoint)
        throw new Error(`no checkpoint: ${taken?.error}`);
    },
    async push(target) {
      const { status, error } = await pusher.push(target);
      if (status !== "pushed") throw new Error(`not pushed: ${error}`);
    },
    close: () => (workspace.close(), pusher.close()),
  };
}
