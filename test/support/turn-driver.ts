import { recordCheckpoint } from "../../shared/domain/checkpoint/report.ts";
import { latestContainer } from "../../shared/domain/container/container.ts";
import { greet, markReady, type Link } from "../../shared/domain/container/link.ts";
import { receiveResult } from "../../shared/domain/tool-call/receive-result.ts";
import type { SessionKey, TimelineRow } from "../../shared/domain/timeline/row.ts";
import { objectKey } from "../../shared/domain/timeline/timeline.ts";
import { submitPrompt } from "../../shared/domain/turn/prompt.ts";
import type { Engine } from "./engine.ts";

export const names = (log: TimelineRow[]) =>
  log.map((row) => (row.kind === "message" ? `${row.role} message` : row.kind === "event" ? row.type : "checkpoint"));

export interface RunCommand {
  type: string;
  call_id: string;
  nonce: string;
}

export const resultOf = ({ call_id, nonce }: RunCommand, output = "ok") => ({
  call_id,
  nonce,
  is_error: false,
  output,
  output_bytes: Buffer.byteLength(output),
  object_key: null,
  duration_ms: 5,
});

/** What a person and a sandbox do to an engine. */
export function turnDriver(engine: () => Engine) {
  const ask = (key: SessionKey & { user_id: string }, content: string, request_id: string | null = null) =>
    submitPrompt(engine().deps, key, { user_id: key.user_id, request_id, content, delivery: "queue" });

  /** The container that the turn launched comes up and links. */
  async function linkUp(key: SessionKey, connectionId?: string): Promise<Link> {
    const container = await latestContainer(engine().deps.table, key);
    if (!container) throw new Error("no container was launched");
    const link = {
      key: { tenant_id: key.tenant_id, session_id: key.session_id },
      epoch: container.epoch,
      connectionId: connectionId ?? `link-${container.epoch}`,
    };
    await greet(engine().deps, link, { frame_id: "f1", private_ip: "127.0.0.9" });
    await markReady(engine().deps, link, { restored_commit: null, base_commit: null });
    return link;
  }

  const sentTo = (link: Link, type: string) =>
    ((engine().sockets.posted.get(link.connectionId) ?? []) as RunCommand[]).filter((command) => command.type === type);

  function firstCall(link: Link): RunCommand {
    const [call] = sentTo(link, "tool.run");
    if (!call) throw new Error("no call");
    return call;
  }

  const answerCall = (link: Link) => receiveResult(engine().deps, link, resultOf(firstCall(link)));

  async function report(link: Link, turn_id: string, commit = "a".repeat(40), status: "pushed" | "pending" = "pushed") {
    const pack_key = objectKey(link.key, "packs", commit);
    const manifest_key = objectKey(link.key, "manifests", commit);
    await engine().objects.put(pack_key, "pack", "x");
    await engine().objects.put(manifest_key, "{}", "x");
    await recordCheckpoint(engine().deps, link, {
      turn_id,
      error: null,
      push: { status, branch: "work", error: null },
      checkpoint: {
        commit,
        parent_commit: null,
        tree: "b".repeat(40),
        message: "m",
        stat: { files: 1, insertions: 1, deletions: 0 },
        pack_key,
        pack_bytes: 4,
        pack_is_complete: true,
        manifest_key,
      },
    });
  }

  return { ask, linkUp, sentTo, firstCall, answerCall, report };
}
