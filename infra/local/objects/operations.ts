import { noSuchKey, notImplemented, ObjectFailure, preconditionFailed } from "./failure.ts";
import { listObjects } from "./listing.ts";
import type { ObjectFiles, StoredObject } from "./object-files.ts";
import type { ObjectRequest } from "./object-request.ts";
import { etagOf, readPayload } from "./payload.ts";
import { elementTexts, escapeXml, unescapeXml } from "./xml.ts";

export interface Answer {
  status: number;
  headers: Record<string, string>;
  content?: Buffer;
  /** Where it differs from the content's: the answer to a HEAD. */
  contentLength?: number;
}

export interface Call {
  request: ObjectRequest;
  files: ObjectFiles;
  filesOf(bucket: string): Promise<ObjectFiles>;
  body: Buffer;
  now(): number;
  authorise: {
    allows(action: string, bucket: string, key?: string): boolean;
    require(action: string, bucket: string, key?: string): void;
  };
}

type Operation = (call: Call) => Promise<Answer> | Answer;

const maxDeletes = 1000;
/** Kept with an object and sent back with it, beside `x-amz-meta-*`. */
const keptHeaders = [
  "content-type",
  "content-disposition",
  "content-encoding",
  "content-language",
  "cache-control",
  "expires",
];
/** Query parameters that select an operation which is not one of these here. */
const otherOperations = [
  "uploads",
  "uploadId",
  "partNumber",
  "acl",
  "tagging",
  "versions",
  "versionId",
  "policy",
  "lifecycle",
  "cors",
];

export function operationOf(request: ObjectRequest): Operation {
  const { method, key, query } = request;
  const other = otherOperations.find((name) => query.has(name));
  if (other !== undefined) throw notImplemented(other);
  if (key === "") {
    if (method === "GET" && query.get("list-type") === "2") return list;
    if (method === "POST" && query.has("delete")) return removeMany;
    if (method === "HEAD") return headBucket;
  } else {
    if (method === "GET" || method === "HEAD") return read;
    if (method === "PUT") return request.header("x-amz-copy-source") === undefined ? put : copy;
    if (method === "DELETE") return remove;
  }
  throw new ObjectFailure(405, "MethodNotAllowed", "The specified method is not allowed against this resource.", {
    Method: method,
  });
}

async function put(call: Call): Promise<Answer> {
  const { request, body } = call;
  call.authorise.require("s3:PutObject", request.bucket, request.key);
  const { content, checksums } = readPayload(request, body);
  const object = await store(call, content, { headers: headersToKeep(request), checksums });
  return { status: 200, headers: { etag: object.etag, ...checksums } };
}

async function copy(call: Call): Promise<Answer> {
  const { request } = call;
  const [, bucket = "", key = ""] =
    /^\/?([^/]+)\/(.+)$/s.exec(decodeURIComponent(request.header("x-amz-copy-source") ?? "")) ?? [];
  call.authorise.require("s3:GetObject", bucket, key);
  call.authorise.require("s3:PutObject", request.bucket, request.key);
  const files = await call.filesOf(bucket);
  const source = files.find(key);
  if (source === undefined) throw noSuchKey(key);
  const content = await files.read(key, 0, source.length);
  const replaces = request.header("x-amz-metadata-directive") === "REPLACE";
  const object = await store(call, content, {
    headers: replaces ? headersToKeep(request) : source.headers,
    checksums: source.checksums,
  });
  const modified = new Date(object.modifiedAt).toISOString();
  return xml(
    `<CopyObjectResult><LastModified>${modified}</LastModified><ETag>${escapeXml(object.etag)}</ETag></CopyObjectResult>`,
  );
}

async function store(
  call: Call,
  content: Buffer,
  kept: Pick<StoredObject, "headers" | "checksums">,
): Promise<StoredObject> {
  const { request, files } = call;
  const condition = request.header("if-none-match");
  if (condition !== undefined && condition !== "*") throw notImplemented("If-None-Match other than *");
  if (request.header("if-match") !== undefined) throw notImplemented("If-Match");
  const object: StoredObject = {
    key: request.key,
    length: content.length,
    etag: etagOf(content),
    modifiedAt: call.now(),
    ...kept,
  };
  if (!(await files.write(object, content, condition === "*"))) throw preconditionFailed("If-None-Match");
  return object;
}

async function read(call: Call): Promise<Answer> {
  const { request, files } = call;
  call.authorise.require("s3:GetObject", request.bucket, request.key);
  const object = files.find(request.key);
  // S3 tells only those who may list the bucket that a key is missing.
  if (object === undefined) {
    call.authorise.require("s3:ListBucket", request.bucket);
    throw noSuchKey(request.key);
  }
  const range = rangeOf(request.header("range"), object.length);
  const { start, end } = range ?? { start: 0, end: object.length };
  const headers = {
    ...object.headers,
    ...overridden(request),
    etag: object.etag,
    "last-modified": new Date(object.modifiedAt).toUTCString(),
    "accept-ranges": "bytes",
    ...(range && { "content-range": `bytes ${start}-${end - 1}/${object.length}` }),
    ...(!range && request.header("x-amz-checksum-mode") === "ENABLED" && object.checksums),
  };
  const status = range ? 206 : 200;
  if (request.method === "HEAD") return { status, headers, contentLength: end - start };
  return { status, headers, content: await files.read(request.key, start, end) };
}

function remove(call: Call): Answer {
  const { request, files } = call;
  call.authorise.require("s3:DeleteObject", request.bucket, request.key);
  files.remove(request.key);
  return { status: 204, headers: {} };
}

async function removeMany(call: Call): Promise<Answer> {
  const { request, files } = call;
  const document = readPayload(request, call.body).content.toString("utf8");
  const keys = elementTexts(document, "Object").map((part) => unescapeXml(elementTexts(part, "Key")[0] ?? ""));
  if (keys.length === 0 || keys.length > maxDeletes) {
    throw new ObjectFailure(
      400,
      "MalformedXML",
      "The XML you provided was not well-formed or did not validate against our published schema",
    );
  }
  const isQuiet = elementTexts(document, "Quiet")[0] === "true";
  const outcomes: string[] = [];
  for (const key of keys) {
    const name = `<Key>${escapeXml(key)}</Key>`;
    if (!call.authorise.allows("s3:DeleteObject", request.bucket, key)) {
      outcomes.push(`<Error>${name}<Code>AccessDenied</Code><Message>Access Denied</Message></Error>`);
      continue;
    }
    files.remove(key);
    if (!isQuiet) outcomes.push(`<Deleted>${name}</Deleted>`);
  }
  return xml(`<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${outcomes.join("")}</DeleteResult>`);
}

function list(call: Call): Answer {
  call.authorise.require("s3:ListBucket", call.request.bucket);
  const content = Buffer.from(listObjects(call.request, call.files), "utf8");
  return { status: 200, headers: { "content-type": "application/xml" }, content };
}

function headBucket(call: Call): Answer {
  call.authorise.require("s3:ListBucket", call.request.bucket);
  return { status: 200, headers: {} };
}

function xml(document: string): Answer {
  const content = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${document}`, "utf8");
  return { status: 200, headers: { "content-type": "application/xml" }, content };
}

function headersToKeep(request: ObjectRequest): Record<string, string> {
  const kept: Record<string, string> = { "content-type": "binary/octet-stream" };
  for (const name of keptHeaders) {
    const value = request.header(name);
    if (value !== undefined) kept[name] = value;
  }
  const encodings = (kept["content-encoding"] ?? "").split(",").map((encoding) => encoding.trim());
  const lasting = encodings.filter((encoding) => encoding !== "" && encoding !== "aws-chunked").join(",");
  if (lasting === "") delete kept["content-encoding"];
  else kept["content-encoding"] = lasting;
  for (const [name, value] of request.amzParameters()) if (name.startsWith("x-amz-meta-")) kept[name] = value;
  return kept;
}

/** A presigned GET may set how the answer is shown. */
function overridden(request: ObjectRequest): Record<string, string> {
  const entries = keptHeaders.flatMap((name) => {
    const value = request.query.get(`response-${name}`);
    return value === null ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** The one range asked for, end exclusive. Null for the whole object; a range that cannot be read is ignored, as HTTP asks. */
function rangeOf(header: string | undefined, length: number): { start: number; end: number } | null {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return null;
  const start = first === "" ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === "" || last === "" ? length : Math.min(length, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  if (start < length && end > start) return { start, end };
  throw new ObjectFailure(416, "InvalidRange", "The requested range is not satisfiable", {
    ActualObjectSize: String(length),
  });
}
