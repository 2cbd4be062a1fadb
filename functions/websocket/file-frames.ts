import type { Connection } from "../../shared/domain/connection/connection.ts";
import {
  deleteFile,
  type FileDeps,
  listFiles,
  moveFile,
  readFile,
  searchFiles,
  writeFile,
} from "../../shared/domain/file/files.ts";
import { fitList } from "../../shared/domain/file/fit.decisions.ts";
import { AppError } from "../../shared/errors.ts";
import type { ClientFrame } from "../../shared/protocol/client-frame.ts";
import type { FrameResults } from "../../shared/protocol/frame-results.ts";
import { maxFrameAnswerBytes } from "../../shared/protocol/limits.ts";
import type { FrameTable, SocketKitDeps } from "../kit/websocket.ts";

type FileFrame = Extract<ClientFrame, { type: `file.${string}` }>;
type Results = Pick<FrameResults, FileFrame["type"]>;

const keyOf = ({ tenant_id }: Connection, { session_id }: FileFrame) => ({ tenant_id, session_id });
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const httpOf = ({ session_id }: FileFrame, rest = "") => `/sessions/${session_id}/files${rest}`;
const pathText = (path: string) => `/${path.split("/").map(encodeURIComponent).join("/")}`;

function editorOf({ user_id }: Connection, { request_id }: FileFrame) {
  if (!user_id) throw new AppError("forbidden");
  return { user_id, request_id };
}

/** The frames of files: what HTTP does, with answers that fit a frame. */
export const fileFrames: FrameTable<FileFrame, SocketKitDeps & FileDeps, Results> = {
  "file.list": async (deps, frame, connection) => {
    const { path, depth, limit } = frame;
    const { entries, ...found } = await listFiles(deps, keyOf(connection, frame), { path, depth, limit });
    const fitting = fitList(entries, maxFrameAnswerBytes);
    const truncated = found.truncated || fitting.length < entries.length;
    return { result: { ...found, entries: fitting, truncated, ...(truncated ? { http: httpOf(frame) } : {}) } };
  },

  "file.read": async (deps, frame, connection) => {
    const { path, offset, length, encoding } = frame;
    const asked = { path, offset, length, encoding };
    const first = await readFile(deps, keyOf(connection, frame), asked);
    // Characters that JSON must escape take up to six times their room.
    const found =
      bytesOf(first) <= maxFrameAnswerBytes
        ? first
        : await readFile(deps, keyOf(connection, frame), { ...asked, encoding: "base64" });
    return { result: { ...found, ...(found.truncated ? { http: httpOf(frame, pathText(path)) } : {}) } };
  },

  "file.write": async (deps, frame, connection) => {
    const { path, content, encoding, if_hash, executable } = frame;
    const body = { path, content, encoding, if_hash, executable };
    return { result: await writeFile(deps, keyOf(connection, frame), editorOf(connection, frame), body) };
  },

  "file.delete": async (deps, frame, connection) => {
    const { path, if_hash, recursive } = frame;
    const body = { path, if_hash, recursive };
    return { result: await deleteFile(deps, keyOf(connection, frame), editorOf(connection, frame), body) };
  },

  "file.move": async (deps, frame, connection) => {
    const { from, to, overwrite } = frame;
    const body = { from, to, overwrite };
    return { result: await moveFile(deps, keyOf(connection, frame), editorOf(connection, frame), body) };
  },

  "file.search": async (deps, frame, connection) => {
    const { type: _type, request_id: _request, session_id: _session, ...asked } = frame;
    const { matches, ...found } = await searchFiles(deps, keyOf(connection, frame), asked);
    const fitting = fitList(matches, maxFrameAnswerBytes);
    const truncated = found.truncated || fitting.length < matches.length;
    const more = truncated ? { http: httpOf(frame, "/search") } : {};
    return { result: { ...found, matches: fitting, truncated, ...more } };
  },
};
