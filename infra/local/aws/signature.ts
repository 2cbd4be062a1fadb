import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** The parts of a request that AWS's Signature Version 4 covers. */
export interface SignedRequest {
  method: string;
  /** Path and query as they came over the wire. */
  url: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

export interface CredentialScope {
  accessKeyId: string;
  date: string;
  region: string;
  service: string;
}

export type Verification = { kind: "valid"; scope: CredentialScope } | { kind: "invalid"; reason: string };

interface Claim {
  scope: CredentialScope;
  signedHeaders: string[];
  signature: string;
  /** `YYYYMMDDTHHMMSSZ` */
  timestamp: string;
  /** Null for a signature in the header, which holds for the clock skew only. */
  expiresSeconds: number | null;
  payloadHash: string;
}

const algorithm = "AWS4-HMAC-SHA256";
const maxClockSkewMs = 5 * 60_000;
const unsignedPayloads = new Set(["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]);

/** The scope that a request claims, unverified: which service and which key. Null where it carries no signature. */
export function claimedScope(request: Pick<SignedRequest, "url" | "headers">): CredentialScope | null {
  const query = request.url.includes("?") ? new URL(request.url, "http://local").searchParams : null;
  const credential = query?.get("X-Amz-Credential") ?? headerField(request.headers, "Credential");
  return parseScope(credential);
}

/** Checks a header signature or a presigned query against the key's secret. `now` in ms since the epoch. */
export function verifySignature(
  request: SignedRequest,
  secretOf: (accessKeyId: string) => string | null,
  now: number,
): Verification {
  const url = request.url.includes("?") ? new URL(request.url, "http://local") : null;
  const presigned = url?.searchParams.has("X-Amz-Signature") === true;
  const claim = presigned ? claimOfQuery(url, request.headers) : claimOfHeaders(request);
  if (claim === null) return invalid("the request carries no signature");
  const secret = secretOf(claim.scope.accessKeyId);
  if (secret === null) return invalid("the access key is not known");
  const late = timeliness(claim, now);
  if (late !== null) return invalid(late);
  if (!unsignedPayloads.has(claim.payloadHash) && claim.payloadHash !== sha256(request.body)) {
    return invalid("the body is not the one that was signed");
  }
  if (!claim.signedHeaders.includes("host")) return invalid("the host is not signed");
  const expected = sign(secret, claim, canonicalRequest(request, url, claim));
  const given = Buffer.from(claim.signature);
  const same = given.length === expected.length && timingSafeEqual(given, Buffer.from(expected));
  return same ? { kind: "valid", scope: claim.scope } : invalid("the signature does not match");
}

function claimOfQuery(url: URL, headers: IncomingMessage["headers"]): Claim | null {
  const get = (name: string) => url.searchParams.get(name) ?? "";
  const scope = parseScope(get("X-Amz-Credential"));
  if (scope === null || get("X-Amz-Algorithm") !== algorithm) return null;
  const signedHeaders = get("X-Amz-SignedHeaders").split(";");
  const signedHash = signedHeaders.includes("x-amz-content-sha256") ? headerValue(headers, "x-amz-content-sha256") : "";
  return {
    scope,
    signedHeaders,
    signature: get("X-Amz-Signature"),
    timestamp: get("X-Amz-Date"),
    expiresSeconds: Number(get("X-Amz-Expires")),
    payloadHash: get("X-Amz-Content-Sha256") || signedHash || "UNSIGNED-PAYLOAD",
  };
}

function claimOfHeaders(request: SignedRequest): Claim | null {
  const { headers } = request;
  const scope = parseScope(headerField(headers, "Credential"));
  if (scope === null) return null;
  return {
    scope,
    signedHeaders: headerField(headers, "SignedHeaders").split(";"),
    signature: headerField(headers, "Signature"),
    timestamp: headerValue(headers, "x-amz-date"),
    expiresSeconds: null,
    payloadHash: headerValue(headers, "x-amz-content-sha256") || sha256(request.body),
  };
}

const headerFields = {
  Credential: /[ ,]Credential=([^, ]*)/,
  SignedHeaders: /[ ,]SignedHeaders=([^, ]*)/,
  Signature: /[ ,]Signature=([^, ]*)/,
};

/** Empty where the header is another one, or lacks it. */
function headerField({ authorization = "" }: IncomingMessage["headers"], name: keyof typeof headerFields): string {
  return authorization.startsWith(`${algorithm} `) ? (headerFields[name].exec(authorization)?.[1] ?? "") : "";
}

function parseScope(credential: string): CredentialScope | null {
  const [accessKeyId, date, region, service, terminator] = credential.split("/");
  if (!accessKeyId || !date || !region || !service || terminator !== "aws4_request") return null;
  return { accessKeyId, date, region, service };
}

function timeliness(claim: Claim, now: number): string | null {
  const signedAt = Date.parse(
    claim.timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  if (Number.isNaN(signedAt) || !claim.timestamp.startsWith(claim.scope.date)) return "the date is malformed";
  if (signedAt > now + maxClockSkewMs) return "the signature is from the future";
  const livesMs = claim.expiresSeconds === null ? maxClockSkewMs : claim.expiresSeconds * 1000;
  return now > signedAt + livesMs || Number.isNaN(livesMs) ? "the signature has expired" : null;
}

const maxSigningKeys = 200;
const signingKeys = new Map<string, KeyObject>();

/**
 * The same for a key, a day and a service: four of the five digests of a signature. Made a key object once, which costs ten
 * times as much as a digest with it.
 */
function signingKey(secret: string, { date, region, service }: CredentialScope): KeyObject {
  const name = JSON.stringify([secret, date, region, service]);
  const known = signingKeys.get(name);
  if (known !== undefined) return known;
  const key = createSecretKey(
    ["aws4_request", service, region].reduceRight(
      (parent: Buffer, part) => hmac(parent, part),
      hmac(`AWS4${secret}`, date),
    ),
  );
  if (signingKeys.size >= maxSigningKeys) signingKeys.clear();
  signingKeys.set(name, key);
  return key;
}

function sign(secret: string, claim: Claim, request: string): string {
  const { date, region, service } = claim.scope;
  const key = signingKey(secret, claim.scope);
  const text = [algorithm, claim.timestamp, `${date}/${region}/${service}/aws4_request`, sha256(request)].join("\n");
  return hmac(key, text).toString("hex");
}

function canonicalRequest(request: SignedRequest, url: URL | null, claim: Claim): string {
  const headers = claim.signedHeaders.map(
    (name) => `${name}:${headerValue(request.headers, name).trim().replace(/\s+/g, " ")}\n`,
  );
  const path = request.url.split("?")[0] ?? "/";
  return [
    request.method,
    claim.scope.service === "s3" ? path : canonicalPath(path),
    url === null ? "" : canonicalQuery(url),
    headers.join(""),
    claim.signedHeaders.join(";"),
    claim.payloadHash,
  ].join("\n");
}

/** Every service but S3 signs the path encoded once more, without empty and dot segments. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") segments.pop();
    else segments.push(segment);
  }
  const slash = segments.length > 0 && path.endsWith("/") ? "/" : "";
  return `/${segments.map(encode).join("/")}${slash}`;
}

function canonicalQuery(url: URL): string {
  const raw = url.search
    .slice(1)
    .split("&")
    .filter((pair) => pair !== "");
  const pairs = raw.map((pair) => {
    const at = pair.indexOf("=");
    const [name, value] = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    return [encode(decode(name)), encode(decode(value))] as const;
  });
  const signed = pairs.filter(([name]) => name !== "X-Amz-Signature");
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = signed.toSorted((a, b) => order(a[0], b[0]) || order(a[1], b[1]));
  return sorted.map(([name, value]) => `${name}=${value}`).join("&");
}

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function headerValue(headers: IncomingMessage["headers"], name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}

const hmac = (key: string | Buffer | KeyObject, text: string) => createHmac("sha256", key).update(text).digest();
const sha256 = (data: string | Buffer) => hash("sha256", data, "hex");
const invalid = (reason: string): Verification => ({ kind: "invalid", reason });
