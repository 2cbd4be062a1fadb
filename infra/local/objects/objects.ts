import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { AwsService, Caller } from "../contract.ts";
import { allowOrigin, type CorsRule } from "./cross-origin.ts";
import { accessDenied, noSuchBucket, ObjectFailure } from "./failure.ts";
import { Lifecycle, type ExpirationRule } from "./lifecycle.ts";
import { ObjectFiles } from "./object-files.ts";
import { ObjectRequest } from "./object-request.ts";
import { operationOf, type Answer } from "./operations.ts";

export interface BucketDefinition {
  name: string;
  corsRules?: CorsRule[];
  expirations?: ExpirationRule[];
}

export interface ObjectsOptions {
  /** Where the objects are kept, a directory for each bucket. */
  directory: string;
  buckets: BucketDefinition[];
  /** Milliseconds since the epoch. */
  now?: () => number;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** S3 on this machine, kept on disk. Signatures are checked before it; permissions and conditions in it. */
export function createObjects(options: ObjectsOptions): { service: AwsService } {
  const { directory, now = Date.now } = options;
  const buckets = new Map(options.buckets.map((bucket) => [bucket.name, bucket]));
  for (const name of buckets.keys()) if (!bucketName.test(name)) throw new Error(`Not a bucket name: ${name}`);
  const lifecycles = new Map(options.buckets.map(({ name, expirations = [] }) => [name, new Lifecycle(expirations)]));
  const opened = new Map<string, Promise<ObjectFiles>>();

  const filesOf = (name: string): Promise<ObjectFiles> => {
    if (!buckets.has(name)) throw noSuchBucket(name);
    const files = opened.get(name) ?? ObjectFiles.open(join(directory, name));
    opened.set(name, files);
    return files;
  };

  const run = async (
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    caller: Caller,
  ): Promise<Answer> => {
    const wanted = new ObjectRequest(request, new Set(buckets.keys()));
    const isAllowed = allowOrigin(request, response, buckets.get(wanted.bucket)?.corsRules ?? []);
    if (wanted.method === "OPTIONS") return preflight(isAllowed);
    const operation = operationOf(wanted);
    const files = await filesOf(wanted.bucket);
    lifecycles.get(wanted.bucket)?.apply(files, now());
    return operation({ request: wanted, files, filesOf, body, now, authorise: authoriser(caller) });
  };

  return {
    async service(request, response, body, caller) {
      const requestId = randomUUID();
      response.setHeader("x-amz-request-id", requestId);
      try {
        send(request, response, await run(request, response, body, caller));
      } catch (error) {
        const failure = error instanceof ObjectFailure ? error : internalFailure(error);
        const xml = Buffer.from(failure.toXml(requestId), "utf8");
        send(request, response, {
          status: failure.statusCode,
          headers: { "content-type": "application/xml" },
          content: xml,
        });
      }
    },
  };
}

function authoriser(caller: Caller) {
  const allows = (action: string, bucket: string, key?: string) =>
    caller.allows(action, key === undefined ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`);
  return {
    allows,
    require(action: string, bucket: string, key?: string) {
      const resource = key === undefined ? bucket : `${bucket}/${key}`;
      if (!allows(action, bucket, key)) throw accessDenied(caller.roleId, action, `arn:aws:s3:::${resource}`);
    },
  };
}

function preflight(isAllowed: boolean): Answer {
  if (isAllowed) return { status: 200, headers: {} };
  throw new ObjectFailure(403, "AccessForbidden", "CORSResponse: This CORS request is not allowed.");
}

function internalFailure(error: unknown): ObjectFailure {
  process.stderr.write(`objects: ${error instanceof Error ? error.stack : String(error)}\n`);
  return new ObjectFailure(500, "InternalError", "We encountered an internal error. Please try again.");
}

/** A HEAD answer carries the headers of its GET and no body. */
function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, headers, content, contentLength = content?.length ?? 0 } = answer;
  if (status !== 204) response.setHeader("content-length", contentLength);
  response.writeHead(status, headers);
  response.end(request.method === "HEAD" ? undefined : content);
}
