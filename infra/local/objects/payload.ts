import { createHash } from "node:crypto";
import { verifyChecksums } from "./checksums.ts";
import { badDigest, invalidRequest, ObjectFailure } from "./failure.ts";
import type { ObjectRequest } from "./object-request.ts";

export interface Payload {
  content: Buffer;
  /** Header name to base64, all verified. */
  checksums: Record<string, string>;
}

/** The content of an upload: out of its aws-chunked framing, and held against each length and digest that came with it. */
export function readPayload(request: ObjectRequest, body: Buffer): Payload {
  const declared = request.header("x-amz-content-sha256");
  const { content, trailers } = declared?.startsWith("STREAMING-")
    ? decodeChunks(body)
    : { content: body, trailers: [] };
  const length = request.header("x-amz-decoded-content-length");
  if (length !== undefined && Number(length) !== content.length) {
    throw new ObjectFailure(
      400,
      "IncompleteBody",
      "The request body does not have the length that the headers declare",
    );
  }
  if (declared !== undefined && /^[0-9a-f]{64}$/.test(declared) && declared !== hash("sha256", content, "hex")) {
    throw new ObjectFailure(
      400,
      "XAmzContentSHA256Mismatch",
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const md5 = request.header("content-md5");
  if (md5 !== undefined && md5 !== hash("md5", content, "base64")) throw badDigest("Content-MD5");
  return { content, checksums: verifyChecksums(content, [...request.amzParameters(), ...trailers]) };
}

export function etagOf(content: Buffer): string {
  return `"${hash("md5", content, "hex")}"`;
}

function hash(algorithm: string, content: Buffer, encoding: "hex" | "base64"): string {
  return createHash(algorithm).update(content).digest(encoding);
}

/** `<hex length>[;chunk-signature=...]\r\n<bytes>\r\n` ..., a chunk of length 0, then trailers, one a line. */
function decodeChunks(body: Buffer): { content: Buffer; trailers: [string, string][] } {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = body.indexOf("\r\n", at);
    const length = end < 0 ? NaN : Number.parseInt(body.toString("latin1", at, end), 16);
    if (Number.isNaN(length)) throw invalidRequest("The aws-chunked body is malformed");
    at = end + 2;
    if (length === 0) break;
    if (at + length > body.length)
      throw new ObjectFailure(400, "IncompleteBody", "A chunk is shorter than it declares");
    chunks.push(body.subarray(at, at + length));
    at += length + 2;
  }
  const lines = body.toString("latin1", at).split("\r\n");
  const trailers = lines.flatMap((line): [string, string][] => {
    const colon = line.indexOf(":");
    return colon < 0 ? [] : [[line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]];
  });
  return { content: Buffer.concat(chunks), trailers };
}
