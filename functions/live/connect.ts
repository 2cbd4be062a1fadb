import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { dynamoConnectionDoor } from "../../shared/adapters/connection-door.ts";
import { dynamoPublicKeys } from "../../shared/adapters/signing-keys-dynamodb.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import { joseVerifier } from "../../shared/adapters/tokens-jose.ts";
import { limitsOf } from "../../shared/config/plans.ts";
import { jsonLog } from "../../shared/log.ts";
import type { PlanName } from "../../shared/ports/plans.ts";
import type { ConnectDeps } from "../kit/connect.ts";

/** Without zod, which would be a fifth of this bundle: the names are those of `environments.connect`. */
function required(name: "TABLE_NAME" | "TOKEN_ISSUER" | "ALLOWED_ORIGINS" | "DEFAULT_PLAN"): string {
  const value = process.env[name];
  if (!value) throw new Error(`environment of connect: missing ${name}`);
  return value;
}

export function liveConnect(): ConnectDeps {
  const client = new DynamoDBClient({});
  const clock = systemClock;
  const tableName = required("TABLE_NAME");
  const defaultPlan = required("DEFAULT_PLAN");
  const keys = dynamoPublicKeys(client, tableName);
  return {
    door: dynamoConnectionDoor({
      client,
      tableName,
      clock,
      random: Math.random,
      socketsOf: (plan = defaultPlan) => limitsOf(plan as PlanName).sockets,
    }),
    verifier: joseVerifier({ issuer: required("TOKEN_ISSUER"), clock, keys }),
    allowedOrigins: JSON.parse(required("ALLOWED_ORIGINS")) as string[],
    log: jsonLog({ process: "connect", clock, write: (line) => process.stdout.write(line) }),
  };
}
