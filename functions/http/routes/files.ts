import * as z from "zod";
import {
  deleteFile,
  listFiles,
  moveFile,
  readFile,
  searchFiles,
  writeFile,
} from "../../../shared/domain/file/files.ts";
import { archiveFiles, completeUpload, downloadFile, grantUpload } from "../../../shared/domain/file/transfers.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import {
  ArchiveFilesRequest,
  CompleteUploadRequest,
  DeleteFileQuery,
  DownloadFileRequest,
  FileContent,
  FileDeleted,
  FileDownload,
  FileList,
  FileMatches,
  FileMoved,
  FileSource,
  FileWritten,
  ListFilesQuery,
  MoveFileRequest,
  ReadFileQuery,
  SearchFilesRequest,
  UploadFileAnswer,
  UploadFileRequest,
  WriteFileRequest,
} from "../../../shared/protocol/file.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

const ofFile = ofSession.extend({ path: z.string() });
const source = { source: FileSource };
const editorOf = (actor: Actor, request_id: string | null) => ({ user_id: actor.userId, request_id });
const sandbox = ["sandbox_starting", "sandbox_unavailable", "quota_exceeded", "busy"] as const;
const atPath = [...sandbox, "path_not_allowed"] as const;
const files = "/sessions/{session_id}/files";

export const fileRoutes = [
  route({
    method: "GET",
    path: files,
    id: "listFiles",
    summary: "Lists files; of the newest checkpoint where no sandbox runs",
    tag: "Workspace",
    errors: atPath,
    needs: "file.read",
    params: ofSession,
    query: ListFilesQuery,
    answers: { 200: FileList.extend(source) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listFiles(deps, keyOf(actor, input.params), input.query),
    }),
  }),
  route({
    method: "GET",
    path: `${files}/{path+}`,
    id: "readFile",
    summary: "Reads a file, or a part of it",
    description: "At most 1 MB at a time. Larger files come whole by `POST files/download`.",
    tag: "Workspace",
    errors: atPath,
    needs: "file.read",
    params: ofFile,
    query: ReadFileQuery,
    answers: { 200: FileContent.extend(source) },
    run: async ({ input, actor, deps }) => {
      const { path } = input.params;
      return { status: 200, body: await readFile(deps, keyOf(actor, input.params), { path, ...input.query }) };
    },
  }),
  route({
    method: "PUT",
    path: `${files}/{path+}`,
    id: "writeFile",
    summary: "Writes a file, where it holds what was expected",
    description:
      "`if_hash` is the hash that was read, null where no file may be there, `*` for whatever is there. Otherwise 409 `file_conflict`, with the present content in `details`.",
    tag: "Workspace",
    errors: [...atPath, "file_conflict", "payload_too_large"],
    needs: "file.write",
    params: ofFile,
    body: WriteFileRequest,
    answers: { 200: FileWritten },
    run: async ({ input, actor, deps }) => {
      const body = { path: input.params.path, ...input.body };
      return { status: 200, body: await writeFile(deps, keyOf(actor, input.params), editorOf(actor, null), body) };
    },
  }),
  route({
    method: "DELETE",
    path: `${files}/{path+}`,
    id: "deleteFile",
    summary: "Deletes a file, a link, or a folder",
    tag: "Workspace",
    errors: [...atPath, "file_conflict", "conflict"],
    needs: "file.write",
    params: ofFile,
    query: DeleteFileQuery,
    answers: { 200: FileDeleted },
    run: async ({ input, actor, deps }) => {
      const body = { path: input.params.path, ...input.query };
      return { status: 200, body: await deleteFile(deps, keyOf(actor, input.params), editorOf(actor, null), body) };
    },
  }),
  route({
    method: "POST",
    path: `${files}/move`,
    id: "moveFile",
    summary: "Moves or renames a file, a link or a folder",
    tag: "Workspace",
    errors: [...atPath, "conflict"],
    needs: "file.write",
    params: ofSession,
    body: MoveFileRequest,
    answers: { 200: FileMoved },
    run: async ({ input, actor, deps, operationId }) => ({
      status: 200,
      body: await moveFile(deps, keyOf(actor, input.params), editorOf(actor, operationId), input.body),
    }),
  }),
  route({
    method: "POST",
    path: `${files}/search`,
    id: "searchFiles",
    summary: "Searches contents or names",
    description:
      "By ripgrep, which leaves out what gitignore does. Names are searched without a sandbox too; contents start one.",
    tag: "Workspace",
    errors: atPath,
    needs: "file.read",
    params: ofSession,
    body: SearchFilesRequest,
    answers: { 200: FileMatches.extend(source) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await searchFiles(deps, keyOf(actor, input.params), input.body),
    }),
  }),
  route({
    method: "POST",
    path: `${files}/upload`,
    id: "uploadFile",
    summary: "Makes a URL to PUT exactly these bytes to",
    tag: "Workspace",
    needs: "file.write",
    params: ofSession,
    body: UploadFileRequest,
    answers: { 200: UploadFileAnswer },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await grantUpload(deps, keyOf(actor, input.params), input.body),
    }),
  }),
  route({
    method: "POST",
    path: `${files}/upload/complete`,
    id: "completeUpload",
    summary: "Puts what was uploaded into its place",
    description: "503 `busy` while a large file is on its way: ask again.",
    tag: "Workspace",
    errors: [...atPath, "file_conflict", "conflict", "payload_too_large"],
    needs: "file.write",
    params: ofSession,
    body: CompleteUploadRequest,
    answers: { 200: FileWritten },
    run: async ({ input, actor, deps, operationId }) => ({
      status: 200,
      body: await completeUpload(deps, keyOf(actor, input.params), editorOf(actor, operationId), input.body),
    }),
  }),
  route({
    method: "POST",
    path: `${files}/download`,
    id: "downloadFile",
    summary: "Makes a URL to GET a whole file from",
    description: "503 `busy` while a large file is on its way: ask again.",
    tag: "Workspace",
    errors: [...atPath, "payload_too_large"],
    needs: "file.read",
    params: ofSession,
    body: DownloadFileRequest,
    answers: { 200: FileDownload },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await downloadFile(deps, keyOf(actor, input.params), input.body.path),
    }),
  }),
  route({
    method: "POST",
    path: `${files}/archive`,
    id: "archiveFiles",
    summary: "Makes a URL to GET the workspace or a folder from, as tar.gz",
    description: "Without `.git` and `node_modules`. 503 `busy` while it is made: ask again.",
    tag: "Workspace",
    errors: [...atPath, "payload_too_large"],
    needs: "file.read",
    params: ofSession,
    body: ArchiveFilesRequest,
    answers: { 200: FileDownload },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await archiveFiles(deps, keyOf(actor, input.params), input.body.path),
    }),
  }),
];
