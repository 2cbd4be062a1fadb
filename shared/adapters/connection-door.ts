import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { connectionKey, ticketKey } from "../data/keys.ts";
import { digestOf } from "../digest.ts";
import type { Clock } from "../ports/clock.ts";
import type { ConnectionDoor } from "../ports/connection-door.ts";

/** API Gateway ends every connection after two hours. */
const connectionSeconds = 2 * 3600;

type Item = Record<string, AttributeValue>;

function connectionItem(connectionId: string, nowMs: number, fields: Item): Item {
  const { pk, sk } = connectionKey(connectionId);
  return {
    pk: { S: pk },
    sk: { S: sk },
    __edb_e__: { S: "connection" },
    __edb_v__: { S: "1" },
    connection_id: { S: connectionId },
    connected_at: { N: String(nowMs) },
    expires_at: { N: String(Math.floor(nowMs / 1000) + connectionSeconds) },
    ...fields,
  };
}

/** Writes connections with the plain client: `connect` has no room for ElectroDB. */
export function dynamoConnectionDoor(
  client: DynamoDBClient,
  tableName: string,
  clock: Pick<Clock, "now">,
): ConnectionDoor {
  const create = (item: Item) => ({
    Put: { TableName: tableName, Item: item, ConditionExpression: "attribute_not_exists(pk)" },
  });
  const burn = (ticket: string, nowSeconds: number) => {
    const { pk, sk } = ticketKey(digestOf(ticket));
    return {
      Delete: {
        TableName: tableName,
        Key: { pk: { S: pk }, sk: { S: sk } },
        ConditionExpression: "expires_at > :now",
        ExpressionAttributeValues: { ":now": { N: String(nowSeconds) } },
      },
    };
  };
  const write = (item: Item) => client.send(new TransactWriteItemsCommand({ TransactItems: [create(item)] }));

  return {
    async enterByTicket(connectionId, ticket) {
      const now = clock.now();
      const { pk, sk } = ticketKey(digestOf(ticket));
      const found = await client.send(
        new GetItemCommand({ TableName: tableName, Key: { pk: { S: pk }, sk: { S: sk } }, ConsistentRead: true }),
      );
      const { tenant_id, user_id, role } = found.Item ?? {};
      if (!tenant_id || !user_id || !role) return false;
      const item = connectionItem(connectionId, now, { kind: { S: "user" }, tenant_id, user_id, role });
      try {
        const TransactItems = [burn(ticket, Math.floor(now / 1000)), create(item)];
        await client.send(new TransactWriteItemsCommand({ TransactItems }));
        return true;
      } catch (error) {
        if (error instanceof TransactionCanceledException) return false;
        throw error;
      }
    },

    async enterUser(connectionId, { tenantId, userId, role }) {
      const fields: Item = {
        kind: { S: "user" },
        tenant_id: { S: tenantId },
        user_id: { S: userId },
        role: { S: role },
      };
      await write(connectionItem(connectionId, clock.now(), fields));
    },

    async enterSandbox(connectionId, { tenantId, sessionId, epoch }) {
      const fields: Item = {
        kind: { S: "sandbox" },
        tenant_id: { S: tenantId },
        session_id: { S: sessionId },
        epoch: { N: String(epoch) },
      };
      await write(connectionItem(connectionId, clock.now(), fields));
    },
  };
}
