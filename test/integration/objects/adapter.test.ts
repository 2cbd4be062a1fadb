import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { s3Objects } from "../../../shared/adapters/objects-s3.ts";
import type { Objects, PresignedPut } from "../../../shared/ports/objects.ts";
import { bucket, startLocalBucket, type LocalBucket } from "./local-bucket.ts";

const body = Buffer.from("the result of a tool call\n");
const sha256 = createHash("sha256").update(body).digest("hex");
const key = "ten_1/ses 1/results/ü.txt";
const lifeSeconds = 60;

let nowMs = Date.now();
let local: LocalBucket;
let objects: Objects;

beforeEach(async () => {
  nowMs = Date.now();
  local = await startLocalBucket(
    {
      corsRules: [
        { AllowedOrigins: ["https://console.example"], AllowedMethods: ["GET", "PUT"], AllowedHeaders: ["*"] },
      ],
    },
    () => nowMs,
  );
  objects = s3Objects(local.connect(), bucket);
});

afterEach(() => local.stop());

/** Sends exactly these headers: fetch would choose the length itself. */
function send(url: string, headers: Record<string, string>, content: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method: "PUT", headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    outgoing.once("error", reject);
    outgoing.end(content);
  });
}

const presign = () => objects.presignPut(key, body.length, sha256, lifeSeconds);
const upload = (signed: PresignedPut, content: Buffer, headers: Record<string, string> = {}) =>
  send(signed.url, { ...signed.headers, ...headers }, content);
const without = (headers: Record<string, string>, name: string) =>
  Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name));

test("puts, gets and measures objects, and answers null for missing ones", async () => {
  await objects.put(key, "text", "text/plain");
  await objects.put("ten_1/bytes", new Uint8Array([0, 255]), "application/octet-stream");
  expect(Buffer.from((await objects.get(key)) ?? []).toString()).toBe("text");
  expect(await objects.get("ten_1/bytes")).toEqual(new Uint8Array([0, 255]));
  expect(await objects.head(key)).toEqual({ length: 4 });
  expect(await objects.get("ten_1/absent")).toBeNull();
  expect(await objects.head("ten_1/absent")).toBeNull();
});

test("throws where reading is not allowed, rather than saying that nothing is there", async () => {
  const blind = s3Objects(local.connect("writing"), bucket);
  await expect(blind.get(key)).rejects.toMatchObject({ name: "AccessDenied" });
});

test("a presigned get reads the object with plain HTTP, until it expires", async () => {
  await objects.put(key, body, "text/plain");
  const url = await objects.presignGet(key, lifeSeconds);
  const answer = await fetch(url);
  expect([answer.status, await answer.text()]).toEqual([200, body.toString()]);
  nowMs += lifeSeconds * 1000 + 5 * 60_000;
  expect((await fetch(url)).status).toBe(403);
});

describe("a presigned put", () => {
  test("takes exactly the content that was signed", async () => {
    const signed = await presign();
    expect(new URL(signed.url).searchParams.get("X-Amz-SignedHeaders")?.split(";")).toEqual([
      "content-length",
      "host",
      "if-none-match",
      "x-amz-checksum-sha256",
    ]);
    expect(await upload(signed, body)).toBe(200);
    expect(Buffer.from((await objects.get(key)) ?? []).equals(body)).toBe(true);
  });

  test("works from fetch", async () => {
    const { url, headers } = await presign();
    const answer = await fetch(url, { method: "PUT", headers, body });
    expect(answer.status).toBe(200);
  });

  test("takes nothing a second time", async () => {
    const signed = await presign();
    expect(await upload(signed, body)).toBe(200);
    expect(await upload(signed, body)).toBe(412);
    expect(await upload(await presign(), body)).toBe(412);
  });

  test("refuses other content of the same length", async () => {
    const other = Buffer.from(body).fill("x");
    const signed = await presign();
    expect(await upload(signed, other)).toBe(400);
    const otherSum = createHash("sha256").update(other).digest("base64");
    expect(await upload(signed, other, { "x-amz-checksum-sha256": otherSum })).toBe(403);
    expect(await objects.head(key)).toBeNull();
  });

  test("refuses another length, with its own checksum or the signed one", async () => {
    const longer = Buffer.concat([body, body]);
    const signed = await presign();
    const headers = { "content-length": String(longer.length) };
    expect(await upload(signed, longer, headers)).toBe(403);
    const sum = createHash("sha256").update(longer).digest("base64");
    expect(await upload(signed, longer, { ...headers, "x-amz-checksum-sha256": sum })).toBe(403);
    expect(await objects.head(key)).toBeNull();
  });

  test.each(["if-none-match", "x-amz-checksum-sha256"])("refuses to go without %s", async (name) => {
    const { url, headers } = await presign();
    expect(await send(url, without(headers, name), body)).toBe(403);
    expect(await objects.head(key)).toBeNull();
  });

  test("refuses another key and a changed expiry", async () => {
    const signed = await presign();
    expect(await upload({ ...signed, url: signed.url.replace("results", "secrets") }, body)).toBe(403);
    expect(await upload({ ...signed, url: signed.url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000") }, body)).toBe(
      403,
    );
    nowMs += lifeSeconds * 1000 + 5 * 60_000;
    expect(await upload(signed, body)).toBe(403);
  });

  test("can do no more than the role that signed it", async () => {
    const reading = s3Objects(local.connect("reading"), bucket);
    expect(await upload(await reading.presignPut(key, body.length, sha256, lifeSeconds), body)).toBe(403);
  });
});

test("a browser's preflight is answered by the bucket's rules", async () => {
  const { url } = await presign();
  const ask = (origin: string) =>
    fetch(url, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "PUT", "access-control-request-headers": "if-none-match" },
    });
  const allowed = await ask("https://console.example");
  expect(allowed.status).toBe(200);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://console.example");
  expect(allowed.headers.get("access-control-allow-headers")).toBe("if-none-match");
  expect((await ask("https://console.example.evil")).status).toBe(403);
});
