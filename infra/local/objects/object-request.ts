import type { IncomingMessage } from "node:http";
import { ObjectFailure } from "./failure.ts";

const maxKeyBytes = 1024;

/** Which bucket and key a request means (in its path or, for the bucket, its host), and its parameters. */
export class ObjectRequest {
  readonly method: string;
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly #headers: IncomingMessage["headers"];

  constructor(request: IncomingMessage, buckets: ReadonlySet<string>) {
    const [rawPath = "/", search = ""] = (request.url ?? "/").split("?");
    const path = decodePath(rawPath.slice(1));
    const hosted = bucketOfHost(request.headers.host, buckets);
    const slash = path.indexOf("/");
    this.method = request.method ?? "GET";
    this.#headers = request.headers;
    this.query = new URLSearchParams(search);
    this.bucket = hosted ?? (slash < 0 ? path : path.slice(0, slash));
    this.key = hosted === null ? (slash < 0 ? "" : path.slice(slash + 1)) : path;
    if (Buffer.byteLength(this.key) > maxKeyBytes) {
      throw new ObjectFailure(400, "KeyTooLongError", "Your key is too long", { MaxSizeAllowed: String(maxKeyBytes) });
    }
  }

  /** A header; what begins with `x-amz-` may stand in the query of a presigned URL instead. */
  header(name: string): string | undefined {
    const value = this.#headers[name];
    if (value !== undefined) return Array.isArray(value) ? value.join(",") : value;
    if (!name.startsWith("x-amz-")) return undefined;
    return [...this.query].find(([key]) => key.toLowerCase() === name)?.[1];
  }

  /** Every `x-amz-` parameter of the headers and the query, with lower-case names. */
  amzParameters(): [string, string][] {
    const headers = Object.entries(this.#headers).map(([name, value]): [string, string] => [name, String(value)]);
    const parameters = [...headers, ...this.query].map(([name, value]): [string, string] => [
      name.toLowerCase(),
      value,
    ]);
    return parameters.filter(([name]) => name.startsWith("x-amz-"));
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new ObjectFailure(400, "InvalidURI", "Couldn't parse the specified URI.");
  }
}

function bucketOfHost(host: string | undefined, buckets: ReadonlySet<string>): string | null {
  for (const bucket of buckets) if (host?.startsWith(`${bucket}.`)) return bucket;
  return null;
}
