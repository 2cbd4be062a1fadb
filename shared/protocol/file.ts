import * as z from "zod";
import { doorOp } from "./door.ts";

/** Content that travels inline, in bytes; larger goes by presigned URL. */
export const maxInlineFileBytes = 1024 * 1024;
/** One presigned transfer. */
export const maxTransferBytes = 512 * 1024 * 1024;
export const maxListedEntries = 2000;
export const maxSearchMatches = 1000;
/** Of both versions of a conflict. */
export const maxConflictBytes = 64 * 1024;

const maxPathBytes = 4096;
const maxNameBytes = 255;
const maxNames = 100;
/** Invisible, and left out by file systems that then see `.git`. */
const ignorable = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
const utf8 = new TextEncoder();

/** A name that a path may hold: none of git's own, in none of the spellings that any file system takes for it. */
export function isFileName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("\0") || /\p{Cs}/u.test(name)) return false;
  if (utf8.encode(name).length > maxNameBytes) return false;
  const seen = name
    .normalize("NFKC")
    .replaceAll(ignorable, "")
    .replace(/[. ]+$/, "")
    .replace(/:.*$/s, "")
    .toLowerCase();
  return seen !== ".git" && !/^git~\d+$/.test(seen);
}

/** The names of a path from the workspace's root down; null for a path that is none: absolute, with `..`, not normal. */
export function namesOf(path: string): string[] | null {
  if (path.length > maxPathBytes || utf8.encode(path).length > maxPathBytes) return null;
  const names = path.split("/");
  return names.length <= maxNames && names.every(isFileName) ? names : null;
}

/** Below the workspace's root, `/` between names. */
export const FilePath = z.string().min(1).max(maxPathBytes);
/** Empty for the workspace itself. */
export const FolderPath = z.string().max(maxPathBytes);
/** The content's git object id (`git hash-object`). */
export const FileHash = z.string().regex(/^[0-9a-f]{40}$/);
/** What must be there for a write to happen: this content, nothing (null), or whatever there is (`*`). */
export const ExpectedHash = z.union([FileHash, z.literal("*"), z.null()]);
export type ExpectedHash = z.infer<typeof ExpectedHash>;

export const FileKind = z.enum(["file", "folder", "symlink", "other"]);

export const FileEntry = z.object({
  path: z.string(),
  kind: FileKind,
  /** Bytes; null for what has none. */
  size: z.number().int().nullable(),
  /** Permissions, octal: `0644`. */
  mode: z.string(),
  /** Changes whenever the file does; says nothing else. */
  etag: z.string().nullable(),
  /** Of a symlink: what it holds. It is never followed. */
  target: z.string().optional(),
});
export type FileEntry = z.infer<typeof FileEntry>;

/** `live`: the workspace as it is; `checkpoint`: no sandbox runs, and this is what the newest checkpoint holds. */
export const FileSource = z.enum(["live", "checkpoint"]);
export type FileSource = z.infer<typeof FileSource>;

export const FileList = z.object({ entries: z.array(FileEntry), truncated: z.boolean() });
export type FileList = z.infer<typeof FileList>;

export const FileEncoding = z.enum(["utf8", "base64"]);

export const FileContent = z.object({
  path: z.string(),
  /** Of the whole file, in bytes. */
  size: z.number().int(),
  mode: z.string(),
  /** Null where the file is too large to be hashed on the way. */
  hash: FileHash.nullable(),
  encoding: FileEncoding,
  /** Text as it is where all of it is UTF-8, else base64. */
  content: z.string(),
  /** In bytes, of what `content` begins with. */
  offset: z.number().int(),
  /** Of `content`, in bytes. */
  length: z.number().int(),
  /** There is more behind it. */
  truncated: z.boolean(),
});
export type FileContent = z.infer<typeof FileContent>;

export const FileWritten = z.object({ path: z.string(), hash: FileHash, size: z.number().int(), created: z.boolean() });
export type FileWritten = z.infer<typeof FileWritten>;

export const FileDeleted = z.object({ path: z.string(), deleted: z.literal(true) });
export const FileMoved = z.object({ from: z.string(), to: z.string() });

/** A read, as far as both transports take it. */
const range = {
  offset: z.coerce.number().int().nonnegative().default(0),
  length: z.coerce.number().int().positive().max(maxInlineFileBytes).default(maxInlineFileBytes),
};
export const listQuery = {
  path: FolderPath.default(""),
  /** 1: the folder's own entries. `node_modules` is not gone into. */
  depth: z.coerce.number().int().min(1).max(20).default(1),
  limit: z.coerce.number().int().min(1).max(maxListedEntries).default(maxListedEntries),
};
export const ListFilesQuery = z.strictObject(listQuery);
export const ReadFileQuery = z.strictObject({ ...range, encoding: FileEncoding.optional() });

export const writeBody = {
  content: z.string(),
  encoding: FileEncoding.default("utf8"),
  if_hash: ExpectedHash,
  executable: z.boolean().optional(),
};
export const WriteFileRequest = z.strictObject(writeBody);
export const deleteBody = {
  if_hash: FileHash.optional(),
  /** A folder with all that is in it. */
  recursive: z.boolean().default(false),
};
export const DeleteFileQuery = z.strictObject({
  if_hash: FileHash.optional(),
  recursive: z.stringbool().default(false),
});
export const moveBody = { from: FilePath, to: FilePath, overwrite: z.boolean().default(false) };
export const MoveFileRequest = z.strictObject(moveBody);

export const searchBody = {
  q: z.string().min(1).max(1000),
  /** `content`: lines; `names`: paths that hold `q`. */
  in: z.enum(["content", "names"]).default("content"),
  /** Else `q` is found as it is. */
  regex: z.boolean().default(false),
  case_sensitive: z.boolean().default(false),
  /** As gitignore writes them; `!` leaves out. */
  globs: z.array(z.string().min(1).max(200)).max(20).default([]),
  path: FolderPath.default(""),
  limit: z.number().int().min(1).max(maxSearchMatches).default(200),
};
export const SearchFilesRequest = z.strictObject(searchBody);
export type SearchFilesRequest = z.output<typeof SearchFilesRequest>;

export const FileMatches = z.object({
  matches: z.array(
    z.object({
      path: z.string(),
      /** From 1; null for a name. */
      line: z.number().int().nullable(),
      /** The line around what was found, cut where it is long. */
      text: z.string().nullable(),
    }),
  ),
  truncated: z.boolean(),
  engine: z.enum(["ripgrep", "scan", "checkpoint"]),
});
export type FileMatches = z.infer<typeof FileMatches>;

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const uploaded = { length: z.number().int().positive().max(maxTransferBytes), sha256: Sha256 };
export const UploadFileRequest = z.strictObject(uploaded);
/** PUT exactly these bytes with exactly these headers; null where they are there already. Then complete. */
export const UploadFileAnswer = z.object({
  url: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  expires_in: z.number().int(),
});
export const CompleteUploadRequest = z.strictObject({
  path: FilePath,
  ...uploaded,
  if_hash: ExpectedHash,
  executable: z.boolean().optional(),
});
export const DownloadFileRequest = z.strictObject({ path: FilePath });
export const ArchiveFilesRequest = z.strictObject({ path: FolderPath.default("") });
export const FileDownload = z.object({
  url: z.string(),
  size: z.number().int(),
  sha256: Sha256,
  expires_in: z.number().int(),
});

/** What of a user's doing the model is told. */
export const FileEdit = z.object({ path: z.string(), kind: z.enum(["written", "deleted", "moved"]) });
export type FileEdit = z.infer<typeof FileEdit>;

/** Where the supervisor put a transfer. */
const sent = z.object({ key: z.string(), size: z.number().int(), sha256: Sha256 });

export const fileOps = {
  list: doorOp("file.list", z.strictObject({ path: FolderPath, depth: z.number(), limit: z.number() }), FileList, {
    isPassive: true,
  }),
  read: doorOp(
    "file.read",
    z.strictObject({ path: FilePath, offset: z.number(), length: z.number(), encoding: FileEncoding.optional() }),
    FileContent,
  ),
  write: doorOp("file.write", z.strictObject({ path: FilePath, ...writeBody }), FileWritten),
  delete: doorOp("file.delete", z.strictObject({ path: FilePath, ...deleteBody }), FileDeleted),
  move: doorOp("file.move", MoveFileRequest, FileMoved),
  search: doorOp("file.search", SearchFilesRequest, FileMatches),
  fetch: doorOp("file.fetch", CompleteUploadRequest.extend({ url: z.url() }), FileWritten),
  send: doorOp("file.send", DownloadFileRequest, sent),
  archive: doorOp("file.archive", ArchiveFilesRequest, sent),
} as const;

/** A frame's answer holds less than HTTP's. */
export const maxFrameFileBytes = 64 * 1024;
export const maxFrameEntries = 300;
const frameRange = {
  offset: z.number().int().nonnegative().default(0),
  length: z.number().int().positive().max(maxFrameFileBytes).default(maxFrameFileBytes),
};

/** Bodies of the frames `file.*`. */
export const fileFrames = {
  list: {
    path: FolderPath.default(""),
    depth: z.number().int().min(1).max(20).default(1),
    limit: z.number().int().min(1).max(maxFrameEntries).default(maxFrameEntries),
  },
  read: { path: FilePath, ...frameRange, encoding: FileEncoding.optional() },
  write: { path: FilePath, ...writeBody },
  delete: { path: FilePath, ...deleteBody },
  move: moveBody,
  search: { ...searchBody, limit: z.number().int().min(1).max(maxFrameEntries).default(100) },
} as const;

const source = { source: FileSource };
/** Where the rest is, of an answer that says `truncated`. */
const rest = { http: z.string().optional() };
export const fileFrameResults = {
  list: FileList.extend({ ...source, ...rest }),
  read: FileContent.extend({ ...source, ...rest }),
  write: FileWritten,
  delete: FileDeleted,
  move: FileMoved,
  search: FileMatches.extend({ ...source, ...rest }),
} as const;
