import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { httpGitHosts } from "../../shared/adapters/git-hosts-http.ts";
import { LambdaNaming } from "../../shared/adapters/naming-lambda.ts";
import { hmacPreviewCapabilities } from "../../shared/adapters/preview-capabilities.ts";
import { secretReader } from "../../shared/adapters/secrets.ts";
import { dynamoPublicKeys } from "../../shared/adapters/signing-keys-dynamodb.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { joseSandboxTokens, joseUserTokens, joseVerifier } from "../../shared/adapters/tokens-jose.ts";
import { fallbackNames, uniqueBranch } from "../../shared/agent/names.ts";
import { type Environment, readEnvironment } from "../../shared/config/env.ts";
import { publishedKeys } from "../../shared/domain/connection/signing-key.ts";
import type { HttpDeps } from "../http/deps.ts";
import { liveSessions } from "./parts.ts";

function liveSecrets(env: Environment<"http">) {
  const secrets = secretReader(new SecretsManagerClient({}), systemClock);
  return {
    user: () => secrets.text(env.USER_SECRET_ID),
    sandbox: () => secrets.text(env.SANDBOX_SECRET_ID),
    preview: () => secrets.text(env.PREVIEW_SECRET_ID),
    git: () => secrets.text(env.GIT_SECRET_ID),
  };
}

/** The HTTP process put together; secrets are read when they are first needed. */
export function liveHttp(): HttpDeps {
  const env = readEnvironment("http", process.env);
  const dynamo = new DynamoDBClient({});
  const sessions = liveSessions("http", env, dynamo);
  const { table, clock } = sessions;
  const secrets = liveSecrets(env);
  const signing = { issuer: env.TOKEN_ISSUER, clock, published: publishedKeys({ table, clock }) };
  return {
    ...sessions,
    cursors: signedCursors(secrets.user),
    naming: new LambdaNaming({ client: new LambdaClient({}), functionName: env.NAMING_FUNCTION }),
    gitHosts: httpGitHosts({ hosts: env.GIT_HOSTS, clock: systemClock, secret: secrets.git }),
    fallbackNames,
    uniqueBranch,
    capabilities: hmacPreviewCapabilities(secrets.preview),
    previewOrigin: env.PREVIEW_ORIGIN,
    verifier: joseVerifier({ issuer: env.TOKEN_ISSUER, clock, keys: dynamoPublicKeys(dynamo, env.TABLE_NAME) }),
    userTokens: joseUserTokens({ ...signing, secret: secrets.user }),
    sandboxTokens: joseSandboxTokens({ ...signing, secret: secrets.sandbox }),
    bootSecrets: derivedBootSecrets(secrets.sandbox),
    facts: { version: env.VERSION, websocketUrl: env.WEBSOCKET_URL, model: env.TURN_MODEL },
  };
}
