import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import {
  type FileContent,
  type FileEdit,
  type FileList,
  type FileMatches,
  fileOps,
  type FileSource,
  type FileWritten,
  namesOf,
  type SearchFilesRequest,
} from "../../protocol/file.ts";
import { askSandbox, openDoor, type DoorDeps } from "../container/want.ts";
import { transition } from "../conversation/conversation.ts";
import { requireSessionRow } from "../session/session-row.ts";
import { announce } from "../timeline/announce.ts";
import type { SessionKey } from "../timeline/row.ts";
import { fingerprintOf, recall, remember } from "../turn/request.ts";
import type { TurnDeps } from "../turn/turn.ts";
import { noteEdits } from "./edits.decisions.ts";
import { listStored, readStored, searchStored } from "./stored.ts";

export type FileDeps = DoorDeps &
  TurnDeps & { objects: Pick<Objects, "get" | "put" | "head" | "presignGet" | "presignPut"> };

type Sourced<T> = T & { source: FileSource };
type BodyOf<O extends keyof typeof fileOps> = z.output<(typeof fileOps)[O]["body"]>;

const readMs = 10_000;
const searchMs = 12_000;

/** Throws `path_not_allowed`. The sandbox looks for itself again. */
export function checkPath(path: string): void {
  if (!namesOf(path)) throw new AppError("path_not_allowed");
}

/**
 * From the sandbox that runs; where none does, from the newest checkpoint; where that does not say, from a sandbox that is
 * started for it.
 */
async function look<T extends object>(
  deps: FileDeps,
  key: SessionKey,
  live: () => Promise<T>,
  stored: () => Promise<T | null>,
): Promise<Sourced<T>> {
  await requireSessionRow(deps.table, key);
  const kept = (await openDoor(deps, key)) ? null : await stored();
  return kept ? { ...kept, source: "checkpoint" } : { ...(await live()), source: "live" };
}

export function listFiles(deps: FileDeps, key: SessionKey, asked: BodyOf<"list">): Promise<Sourced<FileList>> {
  if (asked.path !== "") checkPath(asked.path);
  const live = () => askSandbox(deps, key, fileOps.list, asked, { timeoutMs: readMs });
  return look(deps, key, live, () => listStored(deps, key, asked));
}

export function readFile(deps: FileDeps, key: SessionKey, asked: BodyOf<"read">): Promise<Sourced<FileContent>> {
  checkPath(asked.path);
  const live = () => askSandbox(deps, key, fileOps.read, asked, { timeoutMs: readMs });
  return look(deps, key, live, () => readStored(deps, key, asked.path, asked));
}

export function searchFiles(deps: FileDeps, key: SessionKey, asked: SearchFilesRequest): Promise<Sourced<FileMatches>> {
  if (asked.path !== "") checkPath(asked.path);
  const live = () => askSandbox(deps, key, fileOps.search, asked, { timeoutMs: searchMs });
  return look(deps, key, live, () => searchStored(deps, key, asked));
}

/** Who changes files, and how the request is known again. */
export interface Editor {
  user_id: string;
  request_id: string | null;
}

/**
 * Carries a change out, then tells the model and remembers the answer in one transaction. A crash in between leaves the
 * change done: the same request finds it done.
 */
export async function change<T>(
  deps: FileDeps,
  key: SessionKey,
  editor: Editor,
  asked: readonly unknown[],
  run: () => Promise<{ result: T; edits: FileEdit[] }>,
): Promise<T> {
  await requireSessionRow(deps.table, key);
  const request = { ...editor, fingerprint: fingerprintOf(["files", ...asked]) };
  const before = await recall(deps.table, key, request);
  if (before !== null) return before as T;
  const { result, edits } = await run();
  const outcome = await transition(deps, key, (conversation, now) => {
    const noted = noteEdits(conversation, editor.user_id, edits, now);
    if (editor.request_id === null) return noted;
    return { ...noted, extra: (entities) => remember(entities, key, request, result, now) };
  });
  if (outcome.kind === "committed") await announce(deps, key, outcome.rows);
  return outcome.kind === "refused" ? ((await recall(deps.table, key, request)) as T) : result;
}

const writeMs = 15_000;

/** Throws `file_conflict`, with what there is, where something else was expected. */
export function writeFile(
  deps: FileDeps,
  key: SessionKey,
  editor: Editor,
  body: BodyOf<"write">,
): Promise<FileWritten> {
  checkPath(body.path);
  return change(deps, key, editor, ["write", body], async () => ({
    result: await askSandbox(deps, key, fileOps.write, body, { timeoutMs: writeMs }),
    edits: [{ path: body.path, kind: "written" }],
  }));
}

export function deleteFile(
  deps: FileDeps,
  key: SessionKey,
  editor: Editor,
  body: BodyOf<"delete">,
): Promise<{ path: string; deleted: true }> {
  checkPath(body.path);
  return change(deps, key, editor, ["delete", body], async () => ({
    result: await askSandbox(deps, key, fileOps.delete, body, { timeoutMs: writeMs }),
    edits: [{ path: body.path, kind: "deleted" }],
  }));
}

export function moveFile(
  deps: FileDeps,
  key: SessionKey,
  editor: Editor,
  body: BodyOf<"move">,
): Promise<{ from: string; to: string }> {
  checkPath(body.from);
  checkPath(body.to);
  return change(deps, key, editor, ["move", body], async () => ({
    result: await askSandbox(deps, key, fileOps.move, body, { timeoutMs: writeMs }),
    edits: [
      { path: body.from, kind: "moved" },
      { path: body.to, kind: "written" },
    ],
  }));
}
