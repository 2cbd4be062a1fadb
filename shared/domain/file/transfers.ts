import type * as z from "zod";
import { AppError } from "../../errors.ts";
import { type CompleteUploadRequest, type FileDownload, fileOps, type FileWritten } from "../../protocol/file.ts";
import type { UploadFileAnswer, UploadFileRequest } from "../../protocol/file.ts";
import { askSandbox } from "../container/want.ts";
import { requireSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { change, checkPath, type Editor, type FileDeps } from "./files.ts";
import { transferKey } from "./transfer.ts";

const urlSeconds = 900;
/** The supervisor itself says sooner that it takes longer. */
const transferMs = 20_000;
const waitMs = 5000;

/** Where the client may put exactly these bytes, once. */
export async function grantUpload(
  deps: FileDeps,
  key: SessionKey,
  { length, sha256 }: z.output<typeof UploadFileRequest>,
): Promise<z.input<typeof UploadFileAnswer>> {
  await requireSessionRow(deps.table, key);
  const object = transferKey(key, sha256);
  const there = await deps.objects.head(object);
  if (there?.length === length) return { url: null, headers: {}, expires_in: urlSeconds };
  return { ...(await deps.objects.presignPut(object, length, sha256, urlSeconds)), expires_in: urlSeconds };
}

/** The sandbox fetches what was uploaded into its place, where that holds what is expected. */
export function completeUpload(
  deps: FileDeps,
  key: SessionKey,
  editor: Editor,
  body: z.output<typeof CompleteUploadRequest>,
): Promise<FileWritten> {
  checkPath(body.path);
  return change(deps, key, editor, ["complete", body], async () => {
    const object = transferKey(key, body.sha256);
    const there = await deps.objects.head(object);
    if (there?.length !== body.length) throw new AppError("conflict", "These bytes were not uploaded yet");
    const url = await deps.objects.presignGet(object, urlSeconds);
    const result = await askSandbox(deps, key, fileOps.fetch, { ...body, url }, { waitMs, timeoutMs: transferMs });
    return { result, edits: [{ path: body.path, kind: "written" as const }] };
  });
}

/** What the sandbox put aside may be no other session's. */
async function downloadOf(
  deps: FileDeps,
  key: SessionKey,
  sent: z.output<typeof fileOps.send.result>,
): Promise<z.input<typeof FileDownload>> {
  const object = transferKey(key, sent.sha256);
  const there = await deps.objects.head(object);
  if (sent.key !== object || there?.length !== sent.size) {
    throw new AppError("sandbox_unavailable", "The sandbox did not put the file aside");
  }
  const { size, sha256 } = sent;
  return { url: await deps.objects.presignGet(object, urlSeconds), size, sha256, expires_in: urlSeconds };
}

export async function downloadFile(deps: FileDeps, key: SessionKey, path: string) {
  checkPath(path);
  await requireSessionRow(deps.table, key);
  const options = { waitMs, timeoutMs: transferMs };
  return downloadOf(deps, key, await askSandbox(deps, key, fileOps.send, { path }, options));
}

/** A gzipped tar of a folder, or of the whole workspace. */
export async function archiveFiles(deps: FileDeps, key: SessionKey, path: string) {
  if (path !== "") checkPath(path);
  await requireSessionRow(deps.table, key);
  const options = { waitMs, timeoutMs: transferMs };
  return downloadOf(deps, key, await askSandbox(deps, key, fileOps.archive, { path }, options));
}
