import { ListObjectsV2Command, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { s3ObjectRemoval } from "../../../shared/adapters/object-removal-s3.ts";
import { bucket, startLocalBucket, type LocalBucket } from "./local-bucket.ts";

let local: LocalBucket;
let client: S3Client;
beforeAll(async () => {
  local = await startLocalBucket();
  client = local.connect();
});
afterAll(() => local.stop());

async function put(keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += 50)
    await Promise.all(
      keys.slice(at, at + 50).map((Key) => client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" }))),
    );
}

async function keysBelow(Prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix }));
  return Contents.flatMap(({ Key }) => Key ?? []);
}

it("deletes all below a prefix, page by page, and nothing beside it", async () => {
  await put([...Array.from({ length: 1100 }, (_, index) => `a/s1/blobs/${index}`), "a/s10/x", "a/s1", "b/s1/x"]);
  await s3ObjectRemoval(client, bucket).removeBelow("a/s1/", []);
  expect(await keysBelow("a/")).toEqual(["a/s1", "a/s10/x"]);
  expect(await keysBelow("b/")).toEqual(["b/s1/x"]);
  await s3ObjectRemoval(client, bucket).removeBelow("a/s1/", []);
}, 60_000);

it("leaves what is excepted, and keys of any characters are keys", async () => {
  await put(["c/s1/packs/p", "c/s1/packs2/p", "c/s1/a b+c&d<é>", "c/s1/manifests/m"]);
  await s3ObjectRemoval(client, bucket).removeBelow("c/s1/", ["c/s1/packs/"]);
  expect(await keysBelow("c/")).toEqual(["c/s1/packs/p"]);
});

it("fails where it may not delete, rather than pass over it", async () => {
  await put(["d/s1/x"]);
  await expect(s3ObjectRemoval(local.connect("reading"), bucket).removeBelow("d/s1/", [])).rejects.toThrow(
    /AccessDenied/,
  );
  expect(await keysBelow("d/")).toEqual(["d/s1/x"]);
});
