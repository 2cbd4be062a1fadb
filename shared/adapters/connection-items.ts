import type { AttributeValue, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { connectionKey, holderOf, memberKey, type RowKey, tenantConnectionKey } from "../data/keys.ts";
import type { SandboxIdentity } from "../ports/tokens.ts";

export type Item = Record<string, AttributeValue>;

/** API Gateway ends every connection after two hours. */
export const connectionSeconds = 2 * 3600;

export const text = (value: string): AttributeValue => ({ S: value });
export const number = (value: number): AttributeValue => ({ N: String(value) });

export const textOf = (item: Item | undefined, name: string) => item?.[name]?.S;
export function numberOf(item: Item | undefined, name: string): number | undefined {
  const value = item?.[name]?.N;
  return value === undefined ? undefined : Number(value);
}

export function keyItem({ pk, sk }: RowKey): Item {
  return { pk: text(pk), sk: text(sk) };
}

/** A row as ElectroDB would write it. */
function row(key: RowKey, entity: string, fields: Item): Item {
  return { ...keyItem(key), __edb_e__: text(entity), __edb_v__: text("1"), ...fields };
}

/** Whom a user's connection is for, as the rows say that were read. */
export interface Visitor {
  tenantId: string;
  userId: string;
  role: string;
  generation: number;
  key?: { id: string; scopes: AttributeValue };
  /** Seconds: when the connection ends at the latest. */
  expiresAt: number;
}

export function create(tableName: string, item: Item): TransactWriteItem {
  return { Put: { TableName: tableName, Item: item, ConditionExpression: "attribute_not_exists(pk)" } };
}

/** Both rows of a user's connection. */
export function userRows(connectionId: string, visitor: Visitor, nowMs: number): [connection: Item, ofTenant: Item] {
  const { tenantId, userId, role, key, expiresAt } = visitor;
  const holder = holderOf(userId, key?.id);
  const shared = {
    connection_id: text(connectionId),
    tenant_id: text(tenantId),
    holder: text(holder),
    expires_at: number(expiresAt),
  };
  const connection = row(connectionKey(connectionId), "connection", {
    ...shared,
    kind: text("user"),
    user_id: text(userId),
    role: text(role),
    ...(key ? { key_id: text(key.id), scopes: key.scopes } : {}),
    connected_at: number(nowMs),
  });
  return [connection, row(tenantConnectionKey(tenantId, holder, connectionId), "tenantconnection", shared)];
}

export function sandboxRow(connectionId: string, sandbox: SandboxIdentity, nowMs: number): Item {
  return row(connectionKey(connectionId), "connection", {
    connection_id: text(connectionId),
    kind: text("sandbox"),
    tenant_id: text(sandbox.tenantId),
    session_id: text(sandbox.sessionId),
    epoch: number(sandbox.epoch),
    connected_at: number(nowMs),
    expires_at: number(Math.floor(nowMs / 1000) + connectionSeconds),
  });
}

/** Holds while the membership is what was read. */
export function memberCheck(tableName: string, { tenantId, userId, role, generation }: Visitor): TransactWriteItem {
  return {
    ConditionCheck: {
      TableName: tableName,
      Key: keyItem(memberKey(tenantId, userId)),
      ConditionExpression: "#role = :role AND generation = :generation",
      ExpressionAttributeNames: { "#role": "role" },
      ExpressionAttributeValues: { ":role": text(role), ":generation": number(generation) },
    },
  };
}
