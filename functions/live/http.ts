import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { gcmAnswerSeal } from "../../shared/adapters/answer-seal.ts";
import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { httpPullRequests } from "../../shared/adapters/git-pull-requests.ts";
import { LambdaNaming } from "../../shared/adapters/naming-lambda.ts";
import { hmacPreviewCapabilities } from "../../shared/adapters/preview-capabilities.ts";
import { oidcProviders } from "../../shared/adapters/oidc-providers.ts";
import { gcmSecretBox } from "../../shared/adapters/secret-box-gcm.ts";
import { lambdaSandboxDoor } from "../../shared/adapters/sandbox-door-lambda.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../shared/adapters/tokens-jose.ts";
import { webhookAddresses } from "../../shared/adapters/webhook-sender-http.ts";
import { fallbackNames, uniqueBranch } from "../../shared/agent/names.ts";
import { type Environment, readEnvironment } from "../../shared/config/env.ts";
import { plansOf } from "../../shared/config/plans.ts";
import { capabilitiesOf } from "../../shared/config/sandbox.ts";
import { limitRequests } from "../../shared/domain/quota/requests.ts";
import { authenticate } from "../../shared/domain/account/authenticate.ts";
import { findApiKey } from "../../shared/domain/api-key/api-key.ts";
import { publishedKeys, storedKeys } from "../../shared/domain/connection/signing-key.ts";
import type { HttpDeps } from "../http/deps.ts";
import { liveGit } from "./git.ts";
import { liveJobQueue, liveSessions } from "./parts.ts";

function liveSecrets(env: Environment<"http">) {
  const secrets = secretReader(new SecretsManagerClient({}), systemClock);
  return {
    user: secrets.rotated(env.USER_SECRET_ID),
    sandbox: secrets.rotated(env.SANDBOX_SECRET_ID),
    preview: secrets.rotated(env.PREVIEW_SECRET_ID),
    reader: secrets,
    webhook: secrets.rotated(env.WEBHOOK_SECRET_ID),
  };
}

/** The HTTP process put together; secrets are read when they are first needed. */
export function liveHttp(): HttpDeps {
  const env = readEnvironment("http", process.env);
  const sessions = liveSessions("http", env);
  const { table, clock } = sessions;
  const secrets = liveSecrets(env);
  const signing = { issuer: env.TOKEN_ISSUER, clock, published: publishedKeys({ table, clock }) };
  const git = liveGit(env, table, secrets.reader);
  const plans = plansOf(env);
  const verifier = joseVerifier({ issuer: env.TOKEN_ISSUER, clock, keys: storedKeys(table) });
  const apiKeys = { find: (text: string) => findApiKey({ table, clock }, text) };
  return {
    ...sessions,
    plans,
    limit: (caller) => limitRequests({ table, clock, plans }, caller),
    cursors: signedCursors(secrets.user),
    seal: gcmAnswerSeal(secrets.user),
    naming: new LambdaNaming({ client: new LambdaClient({}), functionName: env.NAMING_FUNCTION }),
    door: lambdaSandboxDoor(new LambdaClient({}), env.PREVIEW_RELAY_FUNCTION),
    gitHosts: git.gitHosts,
    tenantSecrets: git.tenantSecrets,
    pullRequests: httpPullRequests(git.options),
    jobs: liveJobQueue(env.JOB_QUEUE_URL),
    offer: capabilitiesOf(env.SANDBOX_OFFER),
    fallbackNames,
    uniqueBranch,
    capabilities: hmacPreviewCapabilities(secrets.preview),
    previewOrigin: env.PREVIEW_ORIGIN,
    secretBox: gcmSecretBox(secrets.webhook),
    webhookAddresses: webhookAddresses({ allowPrivate: env.PRIVATE_WEBHOOKS }),
    verifier,
    authenticate: (bearer) => authenticate({ table, verifier, apiKeys }, bearer),
    registration: env.REGISTRATION,
    identityProviders: oidcProviders({ providers: env.OIDC_PROVIDERS, clock }),
    userTokens: joseUserTokens({ ...signing, secret: secrets.user.signing }),
    sandboxTokens: joseSandboxTokens({ ...signing, secret: secrets.sandbox.signing }),
    bootSecrets: derivedBootSecrets(secrets.sandbox),
    facts: { version: env.VERSION, websocketUrl: env.WEBSOCKET_URL, model: env.TURN_MODEL },
  };
}
