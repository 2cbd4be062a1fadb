import { readFileSync, writeFileSync } from "node:fs";
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  PutSecretValueCommand,
  type PutSecretValueCommandInput,
} from "@aws-sdk/client-secrets-manager";
import { startLocalSecrets, type LocalSecrets } from "../../support/local-secrets.ts";

/** What `PutSecretValue`, `GetSecretValue` and `DescribeSecret` say in AWS's reference of versions and labels. */
const start = Date.UTC(2026, 10, 21, 9);
const token = (digit: number) => String(digit).repeat(36);
let now = start;
let secrets: LocalSecrets;

beforeEach(async () => {
  now = start;
  secrets = await startLocalSecrets(["S", "Other"], () => now);
});
afterEach(() => secrets.stop());

const put = (SecretString: string, more: Partial<PutSecretValueCommandInput> = {}) =>
  secrets.client().send(new PutSecretValueCommand({ SecretId: "S", SecretString, ...more }));
const get = (more: Partial<GetSecretValueCommandInput> = {}) =>
  secrets.client().send(new GetSecretValueCommand({ SecretId: "S", ...more }));
const labels = async () =>
  (await secrets.client().send(new DescribeSecretCommand({ SecretId: "S" }))).VersionIdsToStages;
const valueAt = async (VersionStage: string) => (await get({ VersionStage })).SecretString;

test("a put becomes the current version, and what was current the one before", async () => {
  const first = await get();
  expect(first.VersionStages).toEqual(["AWSCURRENT"]);
  now += 60_000;
  const answer = await put("two", { ClientRequestToken: token(2) });
  expect(answer).toMatchObject({ VersionId: token(2), VersionStages: ["AWSCURRENT"] });
  expect(await get()).toMatchObject({ SecretString: "two", VersionId: token(2), CreatedDate: new Date(now) });
  expect(await get({ VersionStage: "AWSPREVIOUS" })).toMatchObject({
    SecretString: first.SecretString,
    VersionId: first.VersionId,
    CreatedDate: new Date(start),
  });
  expect(await labels()).toEqual({ [token(2)]: ["AWSCURRENT"], [first.VersionId ?? ""]: ["AWSPREVIOUS"] });
});

test("only one version is the one before: the third put takes the label from the first", async () => {
  const first = await get();
  await put("two");
  await put("three");
  expect([await valueAt("AWSCURRENT"), await valueAt("AWSPREVIOUS")]).toEqual(["three", "two"]);
  expect(Object.values((await labels()) ?? {}).flat()).toHaveLength(2);
  // Without a label it can still be read by its id, until it is cleaned away.
  expect((await get({ VersionId: first.VersionId })).SecretString).toBe(first.SecretString);
});

test("before the first put there is none before the current one", async () => {
  await expect(get({ VersionStage: "AWSPREVIOUS" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  await expect(get({ VersionId: token(9) })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  expect(secrets.valuesOf("S")).toHaveLength(1);
});

test("the same token and text again change nothing, another text under the token is refused", async () => {
  await put("two", { ClientRequestToken: token(2) });
  const before = await labels();
  await put("two", { ClientRequestToken: token(2) });
  expect(await labels()).toEqual(before);
  await expect(put("three", { ClientRequestToken: token(2) })).rejects.toMatchObject({
    name: "ResourceExistsException",
  });
  expect(await valueAt("AWSCURRENT")).toBe("two");
});

test("labels of one's own move to the version that is put with them, and leave AWSCURRENT alone", async () => {
  const first = await get();
  await put("candidate", { VersionStages: ["AWSPENDING"], ClientRequestToken: token(2) });
  expect(await valueAt("AWSCURRENT")).toBe(first.SecretString);
  expect(await valueAt("AWSPENDING")).toBe("candidate");
  await put("better", { VersionStages: ["AWSPENDING"], ClientRequestToken: token(3) });
  expect(await labels()).toEqual({ [first.VersionId ?? ""]: ["AWSCURRENT"], [token(3)]: ["AWSPENDING"] });
  await put("both", { VersionStages: ["AWSCURRENT", "AWSPENDING"], ClientRequestToken: token(4) });
  expect(await labels()).toEqual({
    [token(4)]: ["AWSCURRENT", "AWSPENDING"],
    [first.VersionId ?? ""]: ["AWSPREVIOUS"],
  });
});

test("an id and a label must be the same version's", async () => {
  const { VersionId } = await get();
  expect((await get({ VersionId, VersionStage: "AWSCURRENT" })).VersionId).toBe(VersionId);
  await put("two");
  await expect(get({ VersionId, VersionStage: "AWSCURRENT" })).rejects.toMatchObject({
    name: "InvalidRequestException",
  });
});

test("a token is 32 to 64 characters", async () => {
  await expect(put("two", { ClientRequestToken: "short" })).rejects.toMatchObject({
    name: "InvalidParameterException",
  });
});

test("versions are kept over a restart, each secret's for itself", async () => {
  const first = await get();
  await put("two", { ClientRequestToken: token(2) });
  const other = secrets.valuesOf("Other");
  await secrets.restart();
  expect([await valueAt("AWSCURRENT"), await valueAt("AWSPREVIOUS")]).toEqual(["two", first.SecretString]);
  expect(await get({ VersionStage: "AWSPREVIOUS" })).toMatchObject({ CreatedDate: new Date(start) });
  expect(secrets.valuesOf("S")).toEqual(["two", first.SecretString]);
  expect(secrets.valuesOf("Other")).toEqual(other);
});

test("a file of before there were versions is read on", async () => {
  const old = { value: "kept", version: token(1), created_at: start };
  writeFileSync(secrets.file, JSON.stringify({ S: old, Other: old }));
  await secrets.restart();
  expect(await get()).toMatchObject({ SecretString: "kept", VersionId: token(1), VersionStages: ["AWSCURRENT"] });
  await put("two");
  expect(secrets.valuesOf("S")).toEqual(["two", "kept"]);
  expect(JSON.parse(readFileSync(secrets.file, "utf8"))).toHaveProperty("S.0.stages", ["AWSPREVIOUS"]);
});

test("of versions without a label, the oldest go when there are over a hundred", async () => {
  const first = await get();
  for (let at = 0; at < 101; at += 1) await put(`value ${at}`);
  await expect(get({ VersionId: first.VersionId })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  expect(secrets.valuesOf("S")).toEqual(["value 100", "value 99"]);
});
