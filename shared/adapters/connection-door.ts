import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { connectionKey, holderOf, memberKey, tenantConnectionKey, tenantConnections, tenantKey } from "../data/keys.ts";
import { AppError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { ConnectionDoor } from "../ports/connection-door.ts";
import { type Claim, keyClaim, ticketClaim, tokenClaim, visitorOf } from "./connection-claims.ts";
import { create, keyItem, memberCheck, sandboxRow, textOf, userRows, type Visitor } from "./connection-items.ts";
import { type ConnectionTable, connectionTable } from "./connection-table.ts";

interface Parts {
  clock: Clock;
  /** In [0, 1): jitter. */
  random(): number;
  /** Sockets of a plan, or of tenants that were given none; null is unlimited. */
  socketsOf(plan: string | undefined): number | null;
}

export interface ConnectionDoorOptions extends Parts {
  client: DynamoDBClient;
  tableName: string;
}

/** Each after something changed between reading and writing, or another connect of the same member was in the way. */
const maxTries = 8;

export function dynamoConnectionDoor({ client, tableName, ...parts }: ConnectionDoorOptions): ConnectionDoor {
  const table = connectionTable(client, tableName);
  const { clock } = parts;
  return {
    enterByTicket: (id, ticket) => enter(table, parts, id, () => ticketClaim(table, ticket, clock.now())),
    enterByApiKey: (id, presented) => enter(table, parts, id, () => keyClaim(table, presented, clock.now())),
    enterUser: (id, user) => enter(table, parts, id, async () => tokenClaim(user, clock.now())),
    async enterSandbox(id, sandbox) {
      const written = await table.write([create(tableName, sandboxRow(id, sandbox, clock.now()))]);
      if (written !== "written") throw new AppError("busy");
    },
  };
}

/**
 * The connection is written on the condition that the membership, and the key, are what was read: a revocation comes
 * before it, and it is refused, or after it, and finds it.
 */
async function enter(
  table: ConnectionTable,
  parts: Parts,
  connectionId: string,
  claimed: () => Promise<Claim>,
): Promise<void> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const claim = await claimed();
    const [member, tenant] = await Promise.all([
      table.read(memberKey(claim.tenantId, claim.userId)),
      table.read(tenantKey(claim.tenantId), { consistent: false }),
    ]);
    const visitor = visitorOf(claim, member);
    const added = userRows(connectionId, visitor, parts.clock.now()).map((item) => create(table.name, item));
    const written = await table.write([...added, memberCheck(table.name, visitor), ...claim.proofs]);
    if (written === "written") {
      const limit = parts.socketsOf(textOf(tenant, "plan"));
      return limit === null ? undefined : stayWithin(limit, table, parts, connectionId, visitor);
    }
    await parts.clock.sleep(parts.random() * 10 * 2 ** attempt);
  }
  throw new AppError("busy");
}

/** Written first and counted then: however many come at once, never more stay than the plan allows (ADR 0017). */
async function stayWithin(
  limit: number,
  table: ConnectionTable,
  { clock }: Parts,
  connectionId: string,
  { tenantId, userId, key }: Visitor,
): Promise<void> {
  const nowSeconds = Math.floor(clock.now() / 1000);
  if (!(await table.hasMoreThan(limit, tenantConnections(tenantId), nowSeconds))) return;
  const own = [connectionKey(connectionId), tenantConnectionKey(tenantId, holderOf(userId, key?.id), connectionId)];
  await table.write(own.map((each) => ({ Delete: { TableName: table.name, Key: keyItem(each) } })));
  throw new AppError("quota_exceeded", `The plan allows ${limit} sockets at a time`);
}
