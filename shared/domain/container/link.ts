import { AppError } from "../../errors.ts";
import type { WorkspaceSource } from "../../protocol/sandbox-frame.ts";
import type * as z from "zod";
import type { Connection } from "../connection/connection.ts";
import { authorOf, latestCheckpoint, seedOf, takeCheckpoint, type TakeDeps } from "../checkpoint/checkpoint.ts";
import { operationOf } from "../checkpoint/operation.decisions.ts";
import { sendOperation } from "../checkpoint/send-operation.ts";
import { readConversation, transition, type Conversation } from "../conversation/conversation.ts";
import { findSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { EventRow, SessionKey } from "../timeline/row.ts";
import { dispatchCalls, pendingCalls, type DispatchDeps } from "../tool-call/tool-call.ts";
import { wake, type TurnDeps } from "../turn/turn.ts";
import { sendCommand } from "./command.ts";
import { welcomeOf } from "./welcome.ts";
import { findContainer, loseContainer, patchContainer, stopContainer, type Container } from "./container.ts";

export type LinkDeps = TurnDeps & DispatchDeps & TakeDeps;

/** The session and epoch that a sandbox's connection may speak for. */
export interface Link {
  key: SessionKey;
  epoch: number;
  connectionId: string;
}

/** How long a container may take to fetch its packs. */
const packUrlSeconds = 900;

export function linkOf(connection: Connection): Link {
  const { tenant_id, session_id, epoch, connection_id } = connection;
  if (connection.kind !== "sandbox" || !session_id || !epoch) throw new AppError("forbidden");
  return { key: { tenant_id, session_id }, epoch, connectionId: connection_id };
}

/** The link's container, and its conversation. Throws `conflict` for a fenced epoch: its supervisor must go. */
async function ofLink(deps: LinkDeps, link: Link): Promise<{ container: Container; conversation: Conversation }> {
  const [container, conversation] = await Promise.all([
    findContainer(deps.table, link.key, link.epoch),
    readConversation(deps.table, link.key),
  ]);
  if (!container || !conversation) throw new AppError("not_found");
  const over = isOver(container) || conversation.epoch !== link.epoch;
  if (over) throw new AppError("conflict", "This container was replaced");
  return { container, conversation };
}

function isOver(container: Container): boolean {
  return container.status === "stopped" || container.status === "lost";
}

/** For frames that change nothing on the timeline: throws `conflict` once the container is over. `early`: its row, where it was asked for before. */
export async function requireLive(
  deps: Pick<LinkDeps, "table">,
  link: Link,
  early?: Promise<Container | null> | null,
): Promise<void> {
  const container = await (early ?? findContainer(deps.table, link.key, link.epoch));
  if (!container || isOver(container)) throw new AppError("conflict", "This container was replaced");
}

async function sourceOf(
  deps: LinkDeps,
  key: SessionKey,
  conversation: Conversation,
): Promise<z.infer<typeof WorkspaceSource>> {
  const [session, checkpoint] = await Promise.all([
    findSessionRow(deps.table, key),
    latestCheckpoint(deps.table, conversation),
  ]);
  const state = checkpoint ?? seedOf(conversation);
  const packs = state?.pack_keys ?? [];
  return {
    repo_url: session?.repo_url ?? null,
    target_branch: session?.target_branch ?? null,
    base_commit: conversation.base_commit ?? null,
    branch: session?.branch ?? null,
    commit: state?.commit ?? null,
    ...(checkpoint ? { tree: checkpoint.tree } : {}),
    pack_urls: await Promise.all(packs.map((pack) => deps.objects.presignGet(pack, packUrlSeconds))),
    is_first: checkpoint === null,
    ...(checkpoint?.merging ? { merging: checkpoint.merging } : {}),
    is_held: checkpoint ? checkpoint.push_status === "held" : (seedOf(conversation)?.held ?? false),
  };
}

/** Without one the repository is read as anybody reads it. */
async function readCredential(deps: LinkDeps, { tenant_id, session_id }: SessionKey) {
  const session = await findSessionRow(deps.table, { tenant_id, session_id });
  if (session?.repo_url === undefined) return null;
  try {
    return await deps.gitHosts.mintRead(session.repo_url, tenant_id);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    deps.log.warn("no read credential", { tenant_id, session_id, error: message });
    return null;
  }
}

/** Sends what the sandbox may have missed: pending calls, or the checkpoint that the turn waits for. */
async function catchUp(deps: LinkDeps, container: Container, conversation: Conversation): Promise<void> {
  const operation = operationOf(conversation);
  if (operation && operation.kind !== "merge") await sendOperation(deps, container, conversation, operation);
  if (conversation.phase === "checkpoint") return takeCheckpoint(deps, conversation, container);
  const calls = await pendingCalls(deps.table, conversation);
  await dispatchCalls(deps, container, calls);
}

/** First frame of every link, also after a reconnect: the newest link is the one that counts. */
export async function greet(
  deps: LinkDeps,
  link: Link,
  frame: { frame_id: string; private_ip: string | null },
): Promise<void> {
  const { container, conversation } = await ofLink(deps, link).catch(async (error: unknown) => {
    // A container that nobody knows any more would try again for ever; a read that failed says nothing about it.
    if (error instanceof AppError) {
      await sendCommand(deps, { connection_id: link.connectionId }, { type: "stop", reason: "replaced" });
    }
    throw error;
  });
  const change = {
    connection_id: link.connectionId,
    last_heartbeat_at: deps.clock.now(),
    ...(frame.private_ip ? { private_ip: frame.private_ip } : {}),
  };
  const [kept, source, credential, author] = await Promise.all([
    patchContainer(deps.table, container, ["starting", "ready", "stopping"], change),
    sourceOf(deps, link.key, conversation),
    // Only the first welcome is read of its source.
    container.status === "starting" ? readCredential(deps, link.key) : null,
    authorOf(deps.table, link.key, container.user_id),
  ]);
  if (!kept) throw new AppError("conflict", "This container was replaced");
  const linked = { ...container, ...change };
  await sendCommand(deps, linked, {
    type: "welcome",
    frame_id: frame.frame_id,
    ...welcomeOf(container, { source: { ...source, credential }, author }),
  });
  if (container.status === "ready") await catchUp(deps, linked, conversation);
}

/** The workspace is there: the container takes work. Repeated after a lost ack it changes nothing. */
export async function markReady(
  deps: LinkDeps,
  link: Link,
  frame: { restored_commit: string | null; base_commit: string | null },
): Promise<void> {
  const { container, conversation } = await ofLink(deps, link);
  const { key, epoch } = link;
  const now = deps.clock.now();
  const base = frame.base_commit;
  const outcome = await transition(
    deps,
    key,
    (current) => {
      const restored =
        frame.restored_commit && frame.restored_commit === current.checkpoint_commit ? current.checkpoint : null;
      const data = { epoch, restored_checkpoint: restored };
      const ready: EventRow = { kind: "event", type: "container.ready", turn_id: current.turn_id, data };
      return {
        rows: [ready],
        change: base && !current.base_commit ? { base_commit: base } : {},
        extra: (entities) => [
          entities.container
            .patch({ ...key, epoch })
            .set({ status: "ready", ready_at: now, last_heartbeat_at: now })
            .where(({ status }, { eq }) => eq(status, "starting"))
            .commit(),
        ],
        result: null,
      };
    },
    conversation,
  );
  const committed = outcome.kind === "committed" ? outcome : null;
  await Promise.all([
    committed && announce(deps, key, committed.rows),
    catchUp(
      deps,
      { ...container, status: "ready", connection_id: link.connectionId },
      committed?.conversation ?? conversation,
    ),
  ]);
}

/** False where the container is fenced: the caller closes the link. */
export async function markAlive(deps: LinkDeps, link: Link): Promise<boolean> {
  const container = { ...link.key, epoch: link.epoch };
  // The link that lives is the one that counts: a late hello of an older one may have put that in its place.
  const change = { last_heartbeat_at: deps.clock.now(), connection_id: link.connectionId };
  return patchContainer(deps.table, container, ["starting", "ready"], change);
}

/** It could not prepare its workspace: its calls get that as their result. */
export async function markFailed(deps: LinkDeps, link: Link, message: string): Promise<void> {
  const { container } = await ofLink(deps, link);
  await loseContainer(deps, container, message);
  await wake(deps, link.key);
}

export async function markStopping(deps: LinkDeps, link: Link, reason: string): Promise<void> {
  const { container } = await ofLink(deps, link);
  await stopContainer(deps, container, reason);
  await wake(deps, link.key);
}
