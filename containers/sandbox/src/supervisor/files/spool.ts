import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError } from "../../../../../shared/errors.ts";
import { maxTransferBytes } from "../../../../../shared/protocol/file.ts";

const timeoutMs = 10 * 60_000;

export interface Spooled {
  path: string;
  size: number;
  sha256: string;
}

function limited(mostBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > mostBytes) done(new AppError("payload_too_large"));
      else done(null, chunk);
    },
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Runs with the bytes in a private file, which is gone afterwards. `mark`: the end of bytes that came whole, left out. */
export async function spooled<T>(
  folder: string,
  bytes: Readable,
  run: (spooled: Spooled) => Promise<T>,
  mark?: Buffer,
): Promise<T> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, randomUUID());
  try {
    await pipeline(bytes, limited(maxTransferBytes + (mark?.length ?? 0)), createWriteStream(path, { mode: 0o600 }));
    if (mark) await cutMark(path, mark);
    return await run({ path, size: statSync(path).size, sha256: await sha256Of(path) });
  } finally {
    rmSync(path, { force: true });
  }
}

async function cutMark(path: string, mark: Buffer): Promise<void> {
  const start = Math.max(0, statSync(path).size - mark.length);
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start })) chunks.push(chunk as Buffer);
  if (!Buffer.concat(chunks).equals(mark)) throw new AppError("busy", "The archive was cut off");
  truncateSync(path, start);
}

function agentOf(url: URL) {
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error(`no ${url.protocol} addresses`);
  return url.protocol === "https:" ? requestHttps : requestHttp;
}

/** GETs a presigned URL. No redirect is followed. */
export function fetchUrl(url: string): Promise<Readable> {
  const target = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = agentOf(target)(target, { signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
      if (answer.statusCode === 200) return resolve(answer);
      answer.resume();
      reject(new AppError("not_found", `The uploaded bytes could not be read: ${answer.statusCode ?? 0}`));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** PUTs a file to a presigned URL with exactly the headers that were signed. The answer's status. */
export function putUrl(url: string, headers: Record<string, string>, path: string): Promise<number> {
  const target = new URL(url);
  return new Promise((resolve, reject) => {
    const options = { method: "PUT", headers, signal: AbortSignal.timeout(timeoutMs) };
    const sent = agentOf(target)(target, options, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    pipeline(createReadStream(path), sent).catch(reject);
  });
}
