import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import { derivedBootSecrets, signingPair } from "../../../shared/adapters/derived-keys.ts";
import { hmacPreviewCapabilities } from "../../../shared/adapters/preview-capabilities.ts";
import { secretsManagerStore } from "../../../shared/adapters/secret-store-secrets-manager.ts";
import { secretReader } from "../../../shared/adapters/secrets.ts";
import { dynamoPublicKeys } from "../../../shared/adapters/signing-keys-dynamodb.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../../shared/adapters/tokens-jose.ts";
import { rows } from "../../../shared/data/service.ts";
import { authenticate } from "../../../shared/domain/account/authenticate.ts";
import { findApiKey } from "../../../shared/domain/api-key/api-key.ts";
import { type RotationDeps, rotateSecrets } from "../../../shared/domain/connection/rotate-keys.ts";
import { publishedKeys } from "../../../shared/domain/connection/signing-key.ts";
import { pushTokenKey, signPushToken, verifyPushToken } from "../../../shared/git-push-token.ts";
import type { SecretStore } from "../../../shared/ports/secret-store.ts";
import type { KeyUse } from "../../../shared/ports/tokens.ts";
import { silentLog } from "../../support/fakes.ts";
import { issuer, startHttpPlatform } from "../../support/http-platform.ts";
import { startLocalSecrets } from "../../support/local-secrets.ts";

export const day = 24 * 3_600_000;
export const minute = 60_000;

const names = { user: "UserSecret", sandbox: "SandboxSecret", preview: "PreviewSecret", git: "GitSecret" } as const;

/** The platform whose keys come from the one machine's Secrets Manager, through as many processes as are asked for. */
export async function startWorld() {
  const platform = await startHttpPlatform();
  const { clock, client } = platform;
  const { table } = platform.deps;
  const secrets = await startLocalSecrets(Object.values(names), clock.now);

  /** All that one warm Lambda keeps: its own cache of secrets and of public keys. */
  function process() {
    const reader = secretReader(secrets.client(), clock);
    const of = (name: keyof typeof names) => reader.rotated(names[name]);
    const signing = { issuer, clock, published: publishedKeys({ table, clock }) };
    const verifier = joseVerifier({ issuer, clock, keys: dynamoPublicKeys(client, table.name) });
    return {
      verifier,
      userTokens: joseUserTokens({ ...signing, secret: () => of("user").signing() }),
      sandboxTokens: joseSandboxTokens({ ...signing, secret: () => of("sandbox").signing() }),
      cursors: signedCursors(of("user")),
      capabilities: hmacPreviewCapabilities(of("preview")),
      bootSecrets: derivedBootSecrets(of("sandbox")),
      pushToken: async (repository: string) => {
        const key = pushTokenKey(await of("git").signing());
        return signPushToken(key, { repository, expiresAtMs: clock.now() + 3_600_000 });
      },
    };
  }

  /** Requests are served by this process from now on. */
  function serveBy(served: ReturnType<typeof process>): void {
    const apiKeys = { find: (text: string) => findApiKey({ table, clock }, text) };
    const { pushToken: _pushToken, ...adapters } = served;
    Object.assign(platform.deps, adapters, {
      authenticate: (bearer: string) => authenticate({ table, verifier: served.verifier, apiKeys }, bearer),
    });
  }

  const store = () => secretsManagerStore(secrets.client(), names);

  function rotation(through: SecretStore = store()): RotationDeps {
    return {
      table,
      clock,
      ids: platform.deps.ids,
      store: through,
      publicKey: async (text, use) => (await signingPair(text, use)).publicKey,
      log: silentLog,
    };
  }

  async function signingKeys(use: KeyUse) {
    const { data } = await rows(table).entities.signingKey.query.byKid({}).go({ pages: "all", consistent: true });
    return data.filter((row) => row.use === use);
  }

  serveBy(process());
  return {
    platform,
    clock,
    secrets,
    process,
    serveBy,
    store,
    rotation,
    rotate: () => rotateSecrets(rotation()),
    signingKeys,
    /** As the git host checks it. */
    isPushToken: (token: string, repository: string) =>
      secrets.valuesOf(names.git).some((text) => verifyPushToken(pushTokenKey(text), token, repository, clock.now())),
    texts: () => Object.fromEntries(Object.entries(names).map(([use, name]) => [use, secrets.valuesOf(name)])),
    async stop() {
      await secrets.stop();
      await platform.stop();
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;
export type Process = ReturnType<World["process"]>;

export const kidOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as { kid: string }).kid;
