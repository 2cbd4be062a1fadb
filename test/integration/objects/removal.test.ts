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

it("lists what was there at a moment, and deletes no other keys than it is told", async () => {
  await put(["e/s1/old", "e/s1/kept"]);
  const between = Date.now() + 1_100;
  await new Promise((resolve) => setTimeout(resolve, between + 1_000 - Date.now()));
  await put(["e/s1/young"]);
  const removal = s3ObjectRemoval(client, bucket);
  expect(await removal.listBelow("e/s1/", between)).toEqual(["e/s1/kept", "e/s1/old"]);
  expect(await removal.listBelow("e/s1/")).toEqual(["e/s1/kept", "e/s1/old", "e/s1/young"]);
  await removal.remove(["e/s1/old", "e/s1/was-never-there"]);
  expect(await keysBelow("e/")).toEqual(["e/s1/kept", "e/s1/young"]);
  await removal.remove([]);
});

it("what the template's rules let expire goes, a restart between or not", async () => {
  const dayMs = 86_400_000;
  let nowMs = Date.now();
  const expiring = await startLocalBucket({ expirations: [{ prefix: "transfers/", days: 1 }] }, () => nowMs);
  const putAt = async (Key: string) =>
    expiring
      .connect("all", { systemClockOffset: nowMs - Date.now() })
      .send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" }));
  const listed = async () => {
    const { Contents = [] } = await expiring
      .connect("all", { systemClockOffset: nowMs - Date.now() })
      .send(new ListObjectsV2Command({ Bucket: bucket }));
    return Contents.flatMap(({ Key }) => Key ?? []);
  };
  await putAt("transfers/a");
  await putAt("tenants/a");
  nowMs += dayMs - 60_000;
  await putAt("transfers/b");
  expect(await listed()).toEqual(["tenants/a", "transfers/a", "transfers/b"]);
  await expiring.restart();
  nowMs += 2 * 3_600_000;
  expect(await listed()).toEqual(["tenants/a", "transfers/b"]);
  await expiring.stop();
});
