import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface SignedRequest {
  method: string;
  host: string;
  /** As it is sent, without a query. */
  path: string;
  /** Lower-case names. All of them are signed. */
  headers: Record<string, string>;
  body: string;
}

/** Which service of which region a request is for. */
export interface SigningScope {
  region: string;
  service: string;
}

const algorithm = "AWS4-HMAC-SHA256";
const ending = "aws4_request";
const maxKeys = 50;
/** A key holds for a day, a region and a service: making it takes longer than all the rest of a signature. */
const keys = new Map<string, KeyObject>();

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer | KeyObject, text: string) => createHmac("sha256", key).update(text).digest();

function keyOf(secret: string, scope: readonly string[]): KeyObject {
  const name = `${scope.join("/")} ${secret}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  const bytes = scope.reduce((parent: string | Buffer, part) => hmac(parent, part), `AWS4${secret}`);
  const key = createSecretKey(bytes as Buffer);
  if (keys.size >= maxKeys) keys.clear();
  keys.set(name, key);
  return key;
}

/** Every service but S3 signs the path encoded once more. */
const canonicalPath = (path: string) => path.split("/").map(encoded).join("/");

export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The headers of a request with its signature (Signature Version 4). `host` is set by whoever sends it. */
export function signed(
  request: SignedRequest,
  { region, service }: SigningScope,
  credentials: AwsCredentials,
  nowMs: number,
): Record<string, string> {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const sent: Record<string, string> = { ...request.headers, "x-amz-date": time };
  if (credentials.sessionToken !== undefined) sent["x-amz-security-token"] = credentials.sessionToken;
  const headers: Record<string, string> = { ...sent, host: request.host };
  const names = Object.keys(headers).toSorted();
  const signedHeaders = names.join(";");
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join("");
  const path = canonicalPath(request.path);
  const canonical = [request.method, path, "", lines, signedHeaders, sha256(request.body)].join("\n");
  const scope = [time.slice(0, 8), region, service, ending];
  const key = keyOf(credentials.secretAccessKey, scope);
  const signature = hmac(key, [algorithm, time, scope.join("/"), sha256(canonical)].join("\n")).toString("hex");
  const credential = `${credentials.accessKeyId}/${scope.join("/")}`;
  sent["authorization"] =
    `${algorithm} Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return sent;
}
