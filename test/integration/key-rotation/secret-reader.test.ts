import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { matchesAny } from "../../../shared/adapters/rotated-secret.ts";
import { secretReader } from "../../../shared/adapters/secrets.ts";
import { startLocalSecrets, type LocalSecrets } from "../../support/local-secrets.ts";

const minute = 60_000;
const start = Date.UTC(2026, 10, 21, 9);
let now = start;
let secrets: LocalSecrets;
let asked: (string | undefined)[];

beforeEach(async () => {
  now = start;
  asked = [];
  secrets = await startLocalSecrets(["S"], () => now);
});
afterEach(() => secrets.stop());

const put = (text: string) => secrets.client().send(new PutSecretValueCommand({ SecretId: "S", SecretString: text }));

/** A process of its own; which versions it asks for is noted. */
function reader() {
  const client = new Proxy(secrets.client(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return (command: unknown) => {
        if (command instanceof GetSecretValueCommand) asked.push(command.input.VersionStage);
        return (value as (command: unknown) => Promise<unknown>).call(target, command);
      };
    },
  }) as SecretsManagerClient;
  return secretReader(client, { now: () => now }).rotated("S");
}

const accepts = (secret: ReturnType<typeof reader>, signedBy: string) =>
  matchesAny(secret, (text) => text === signedBy);

test("what the current text signed needs no other: AWSPREVIOUS is asked for only when it does not fit", async () => {
  const [first = ""] = secrets.valuesOf("S");
  await put("second");
  now += 10 * minute;
  const secret = reader();
  expect(await accepts(secret, "second")).toBe(true);
  expect(asked).toEqual([undefined]);
  expect(await accepts(secret, first)).toBe(true);
  expect(asked).toEqual([undefined, "AWSPREVIOUS"]);
  for (let at = 0; at < 20; at += 1) expect(await accepts(secret, "forged")).toBe(false);
  expect(asked).toHaveLength(2);
});

test("that there is none before the first is known for as long", async () => {
  now += 10 * minute;
  const secret = reader();
  expect(await accepts(secret, "forged")).toBe(false);
  expect(await accepts(secret, "forged")).toBe(false);
  expect(asked).toEqual([undefined, "AWSPREVIOUS"]);
  expect(await secret.signing()).toBe(secrets.valuesOf("S")[0]);
});

test("a new text signs only when every process has had the time to see it; then the old one is taken still", async () => {
  now += 60 * minute;
  const [old = ""] = secrets.valuesOf("S");
  const warm = reader();
  expect(await warm.signing()).toBe(old);
  await put("new");
  for (let at = 0; at <= 12; at += 1) {
    const fresh = reader();
    for (const signer of [warm, fresh]) {
      const signedBy = await signer.signing();
      expect([at, signedBy]).toEqual([at, at <= 6 ? old : "new"]);
      for (const checker of [warm, fresh]) expect([at, await accepts(checker, signedBy)]).toEqual([at, true]);
    }
    now += minute;
  }
  expect(await accepts(warm, old)).toBe(true);
});

test("the text before is the one before the current text that is known, however long each was kept", async () => {
  now += 60 * minute;
  const [first = ""] = secrets.valuesOf("S");
  const warm = reader();
  expect(await accepts(warm, "forged")).toBe(false);
  await put("second");
  now += 5 * minute;
  expect(await accepts(warm, first)).toBe(true);
  now += 60 * minute;
  await put("third");
  now += 5 * minute;
  expect(await accepts(warm, "second")).toBe(true);
  expect(await accepts(warm, "third")).toBe(true);
  expect(await accepts(warm, first)).toBe(false);
});

test("a failure to read the text before is not taken for none", async () => {
  now += 60 * minute;
  await put("second");
  let isDown = true;
  const client = new Proxy(secrets.client(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return (command: GetSecretValueCommand) =>
        isDown && command.input.VersionStage === "AWSPREVIOUS"
          ? Promise.reject(new Error("throttled"))
          : (value as (command: unknown) => Promise<unknown>).call(target, command);
    },
  }) as SecretsManagerClient;
  const secret = secretReader(client, { now: () => now }).rotated("S");
  const [, first = ""] = secrets.valuesOf("S");
  await expect(accepts(secret, first)).rejects.toThrow("throttled");
  isDown = false;
  expect(await accepts(secret, first)).toBe(true);
});
