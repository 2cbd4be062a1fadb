import { createHash } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3ServiceException,
  type S3Client,
} from "@aws-sdk/client-s3";
import { bucket as Bucket, startLocalBucket, type LocalBucket } from "./local-bucket.ts";

let local: LocalBucket;
let client: S3Client;

beforeEach(async () => {
  local = await startLocalBucket();
  client = local.connect();
});

afterEach(() => local.stop());

async function textOf(Key: string, from = client): Promise<string> {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key }));
  return (await Body?.transformToString()) ?? "";
}

const put = (Key: string, Body: string) => client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(Body) }));

async function failureOf(request: Promise<unknown>): Promise<[name: string, status: number | undefined]> {
  try {
    await request;
  } catch (error) {
    if (error instanceof S3ServiceException) return [error.name, error.$metadata.httpStatusCode];
    throw error;
  }
  throw new Error("The request did not fail");
}

describe("put and get", () => {
  test("give back content, type, metadata and MD5 ETag", async () => {
    const Body = "héllo";
    const stored = await client.send(
      new PutObjectCommand({ Bucket, Key: "a/b.txt", Body, ContentType: "text/plain", Metadata: { turn: "7" } }),
    );
    const etag = `"${createHash("md5").update(Body).digest("hex")}"`;
    expect(stored.ETag).toBe(etag);
    const got = await client.send(new GetObjectCommand({ Bucket, Key: "a/b.txt" }));
    expect(got).toMatchObject({ ContentType: "text/plain", ContentLength: 6, Metadata: { turn: "7" }, ETag: etag });
    expect(await got.Body?.transformToString()).toBe(Body);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "a/b.txt" }));
    expect(head).toMatchObject({ ContentType: "text/plain", ContentLength: 6, Metadata: { turn: "7" }, ETag: etag });
  });

  test("take a stream, which the SDK sends in chunks with a trailing checksum", async () => {
    const parts = [Buffer.alloc(70_000, "a"), Buffer.from([0, 13, 10, 255]), Buffer.alloc(100_000, "b")];
    const whole = Buffer.concat(parts);
    await client.send(
      new PutObjectCommand({ Bucket, Key: "stream", Body: Readable.from(parts), ContentLength: whole.length }),
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key: "stream" }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(whole)).toBe(true);
    expect(got.ContentEncoding).toBeUndefined();
  });

  test.each(["CRC32", "CRC32C", "SHA1", "SHA256"] as const)(
    "verify a %s checksum, and give it back",
    async (ChecksumAlgorithm) => {
      const stored = await client.send(
        new PutObjectCommand({ Bucket, Key: "sum", Body: "123456789", ChecksumAlgorithm }),
      );
      const got = await client.send(new GetObjectCommand({ Bucket, Key: "sum", ChecksumMode: "ENABLED" }));
      const field = `Checksum${ChecksumAlgorithm}` as const;
      expect(got[field]).toBeDefined();
      expect(got[field]).toBe(stored[field]);
      await got.Body?.transformToString();
    },
  );

  test("refuse content that is not what its checksums say, and keep nothing", async () => {
    const ChecksumSHA256 = createHash("sha256").update("other").digest("base64");
    expect(
      await failureOf(client.send(new PutObjectCommand({ Bucket, Key: "bad", Body: "this", ChecksumSHA256 }))),
    ).toEqual(["BadDigest", 400]);
    const ContentMD5 = createHash("md5").update("other").digest("base64");
    expect(
      await failureOf(client.send(new PutObjectCommand({ Bucket, Key: "bad", Body: "this", ContentMD5 }))),
    ).toEqual(["BadDigest", 400]);
    expect(await failureOf(client.send(new GetObjectCommand({ Bucket, Key: "bad" })))).toEqual(["NoSuchKey", 404]);
  });

  test.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-2", "89", "bytes 8-9/10"],
    ["bytes=5-99", "56789", "bytes 5-9/10"],
  ])("answer the range %s", async (Range, expected, ContentRange) => {
    await put("range", "0123456789");
    const got = await client.send(new GetObjectCommand({ Bucket, Key: "range", Range }));
    expect(got).toMatchObject({ ContentRange, ContentLength: expected.length, $metadata: { httpStatusCode: 206 } });
    expect(await got.Body?.transformToString()).toBe(expected);
  });

  test("refuse a range beyond the end", async () => {
    await put("range", "0123456789");
    const request = client.send(new GetObjectCommand({ Bucket, Key: "range", Range: "bytes=10-" }));
    expect(await failureOf(request)).toEqual(["InvalidRange", 416]);
  });

  test("keep an empty object", async () => {
    await put("empty", "");
    expect(await textOf("empty")).toBe("");
  });

  test.each([
    "../../escape",
    "/etc/passwd",
    "a//b",
    "..",
    "%2e%2e/x",
    "spaces and + & ü/🚀?#",
    "line\nend",
    "x".repeat(1024),
  ])("keep the key %j as it is, inside the bucket's directory", async (key) => {
    await put(key, "content");
    await put("neighbour", "other");
    expect(await textOf(key)).toBe("content");
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(new Set(Contents.map((object) => object.Key))).toEqual(new Set([key, "neighbour"]));
    expect(await readdir(local.directory)).toEqual([Bucket]);
    expect((await readdir(join(local.directory, Bucket))).every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    expect(await failureOf(client.send(new HeadObjectCommand({ Bucket, Key: key })))).toEqual(["NotFound", 404]);
  });

  test("work with path-style and virtual-host addresses", async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: "by-path", Body: "one" }));
    const url = new URL(local.url);
    url.hostname = "localhost";
    const hosted = local.connect("all", { endpoint: url.href, forcePathStyle: false });
    hosted.middlewareStack.add(
      (next) => (args) => {
        // What a resolver that knows *.localhost would do: the Host header keeps the bucket's name.
        const request = args.request as { hostname: string; headers: Record<string, string> };
        expect(request.hostname).toBe(`${Bucket}.localhost`);
        request.hostname = "127.0.0.1";
        return next(args);
      },
      { step: "finalizeRequest", priority: "low" },
    );
    expect(await textOf("by-path", hosted)).toBe("one");
  });
});

describe("conditions", () => {
  test("If-None-Match: * lets the first of 20 parallel puts win", async () => {
    const attempts = Array.from({ length: 20 }, (_, at) =>
      client.send(new PutObjectCommand({ Bucket, Key: "once", Body: `body ${at}`, IfNoneMatch: "*" })).then(() => at),
    );
    const outcomes = await Promise.allSettled(attempts);
    const winners = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(winners).toHaveLength(1);
    expect(await textOf("once")).toBe(`body ${winners[0]}`);
    const late = client.send(new PutObjectCommand({ Bucket, Key: "once", Body: "late", IfNoneMatch: "*" }));
    expect(await failureOf(late)).toEqual(["PreconditionFailed", 412]);
    await put("once", "replaced without a condition");
    expect(await textOf("once")).toBe("replaced without a condition");
  });

  test("what is not emulated is refused, not ignored", async () => {
    expect(
      await failureOf(client.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x", IfMatch: "etag" }))),
    ).toEqual(["NotImplemented", 501]);
    expect(await failureOf(client.send(new CreateMultipartUploadCommand({ Bucket, Key: "k" })))).toEqual([
      "NotImplemented",
      501,
    ]);
  });
});

describe("lists, copies and deletes", () => {
  test("lists by prefix and delimiter, in byte order and in pages", async () => {
    const keys = ["t/1/a", "t/1/b", "t/1/c/x", "t/1/c/y", "t/1/é", "t/1/Z", "t/2/a"];
    await Promise.all(keys.map((key) => put(key, key)));
    const seen: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket, Prefix: "t/1/", MaxKeys: 2, ContinuationToken }),
      );
      expect(page.KeyCount).toBeLessThanOrEqual(2);
      seen.push(...(page.Contents ?? []).map((object) => object.Key ?? ""));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(seen).toEqual(["t/1/Z", "t/1/a", "t/1/b", "t/1/c/x", "t/1/c/y", "t/1/é"]);
    const folders = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "t/1/", Delimiter: "/" }));
    expect(folders.CommonPrefixes).toEqual([{ Prefix: "t/1/c/" }]);
    expect(folders.Contents?.map((object) => object.Key)).toEqual(["t/1/Z", "t/1/a", "t/1/b", "t/1/é"]);
    const none = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "absent/" }));
    expect(none).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });

  test("deletes one, many and none", async () => {
    const odd = "<&>\" 'odd'";
    await Promise.all(["a", "b", odd].map((key) => put(key, "x")));
    await client.send(new DeleteObjectCommand({ Bucket, Key: "never there" }));
    const answer = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "a" }, { Key: odd }, { Key: "absent" }] } }),
    );
    expect(answer.Deleted?.map((object) => object.Key)).toEqual(["a", odd, "absent"]);
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(Contents?.map((object) => object.Key)).toEqual(["b"]);
  });

  test("copies content, type and metadata", async () => {
    await client.send(
      new PutObjectCommand({ Bucket, Key: "from/ü", Body: "copy me", ContentType: "text/x", Metadata: { a: "b" } }),
    );
    await client.send(
      new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/${encodeURIComponent("from/ü")}` }),
    );
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: "to" }))).toMatchObject({
      ContentType: "text/x",
      Metadata: { a: "b" },
    });
    expect(await textOf("to")).toBe("copy me");
    const missing = client.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/absent` }));
    expect(await failureOf(missing)).toEqual(["NoSuchKey", 404]);
  });
});

describe("permissions", () => {
  test("each action needs its own, and a missing key shows only to those who may list", async () => {
    await put("there", "x");
    const [blind, reading, writing] = [local.connect("blind"), local.connect("reading"), local.connect("writing")];
    expect(await textOf("there", blind)).toBe("x");
    expect(await failureOf(textOf("absent", blind))).toEqual(["AccessDenied", 403]);
    expect(await failureOf(textOf("absent", reading))).toEqual(["NoSuchKey", 404]);
    expect(await failureOf(reading.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" })))).toEqual([
      "AccessDenied",
      403,
    ]);
    await writing.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" }));
    expect(await failureOf(textOf("k", writing))).toEqual(["AccessDenied", 403]);
    expect(await failureOf(writing.send(new ListObjectsV2Command({ Bucket })))).toEqual(["AccessDenied", 403]);
    expect(await failureOf(writing.send(new DeleteObjectCommand({ Bucket, Key: "k" })))).toEqual(["AccessDenied", 403]);
    const many = await writing.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "k" }] } }));
    expect(many.Errors?.[0]).toMatchObject({ Key: "k", Code: "AccessDenied" });
    expect(await textOf("k")).toBe("x");
  });

  test("an unknown bucket is NoSuchBucket", async () => {
    expect(await failureOf(client.send(new GetObjectCommand({ Bucket: "another-bucket", Key: "k" })))).toEqual([
      "NoSuchBucket",
      404,
    ]);
    await client.send(new HeadBucketCommand({ Bucket }));
  });
});

test("objects are there after a restart, half-written ones are not", async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: "kept", Body: "line one\nline two", Metadata: { a: "b" } }));
  await put("removed", "x");
  await client.send(new DeleteObjectCommand({ Bucket, Key: "removed" }));
  await writeFile(join(local.directory, Bucket, "0000.part"), '{"key":"half"');
  await local.restart();
  client = local.connect();
  expect(await textOf("kept")).toBe("line one\nline two");
  expect(await client.send(new HeadObjectCommand({ Bucket, Key: "kept" }))).toMatchObject({
    Metadata: { a: "b" },
    ContentLength: 17,
  });
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents?.map((object) => object.Key)).toEqual(["kept"]);
  expect(await readdir(join(local.directory, Bucket))).toHaveLength(1);
});
