import type { TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { type ApiKeyState, isTouchDue, opens, parseApiKey } from "../api-key.ts";
import { apiKeyKey, type RowKey, ticketKey } from "../data/keys.ts";
import { digestOf } from "../digest.ts";
import { AppError } from "../errors.ts";
import type { UserClaims } from "../ports/tokens.ts";
import { connectionSeconds, type Item, keyItem, number, numberOf, textOf, type Visitor } from "./connection-items.ts";
import type { ConnectionTable } from "./connection-table.ts";

/** Who comes, as proven. The member's row has a say too. */
export interface Claim {
  tenantId: string;
  userId: string;
  /** Null: an API key ends with the membership, not with its generation. */
  generation: number | null;
  key?: NonNullable<Visitor["key"]> & { createdAt: number };
  /** Seconds. */
  expiresAt: number;
  /** What the transaction asks and burns besides. */
  proofs: TransactWriteItem[];
}

const unauthenticated = () => new AppError("unauthenticated");
const secondsOf = (ms: number) => Math.floor(ms / 1000);
const lifeFrom = (nowMs: number) => secondsOf(nowMs) + connectionSeconds;

export function tokenClaim(user: UserClaims, nowMs: number): Claim {
  const { tenantId, userId, generation } = user;
  return { tenantId, userId, generation, expiresAt: lifeFrom(nowMs), proofs: [] };
}

/** Throws `unauthenticated`, as all of these do. */
export async function ticketClaim(table: ConnectionTable, ticket: string, nowMs: number): Promise<Claim> {
  const key = ticketKey(digestOf(ticket));
  const row = await table.read(key);
  const [tenantId, userId] = [textOf(row, "tenant_id"), textOf(row, "user_id")];
  const generation = numberOf(row, "generation");
  if (tenantId === undefined || userId === undefined || generation === undefined) throw unauthenticated();
  if ((numberOf(row, "expires_at") ?? 0) <= secondsOf(nowMs)) throw unauthenticated();
  const burned: TransactWriteItem = {
    Delete: {
      TableName: table.name,
      Key: keyItem(key),
      ConditionExpression: "expires_at > :now",
      ExpressionAttributeValues: { ":now": number(secondsOf(nowMs)) },
    },
  };
  return { tenantId, userId, generation, expiresAt: lifeFrom(nowMs), proofs: [burned] };
}

export async function keyClaim(table: ConnectionTable, presented: string, nowMs: number): Promise<Claim> {
  const parsed = parseApiKey(presented);
  if (!parsed) throw unauthenticated();
  const { tenantId, keyId, secret } = parsed;
  const key = apiKeyKey(tenantId, keyId);
  const row = await table.read(key);
  const userId = textOf(row, "created_by");
  const scopes = row?.["scopes"];
  if (!scopes || userId === undefined || !opens(stateOf(row), secret, nowMs)) throw unauthenticated();
  return {
    tenantId,
    userId,
    generation: null,
    key: { id: keyId, scopes, createdAt: numberOf(row, "created_at") ?? 0 },
    expiresAt: Math.min(lifeFrom(nowMs), secondsOf(numberOf(row, "ends_at") ?? Infinity)),
    proofs: [keyProof(table.name, key, numberOf(row, "last_used_at"), nowMs)],
  };
}

/** The visitor whom claim and membership agree on. */
export function visitorOf(claim: Claim, member: Item | undefined): Visitor {
  const { tenantId, userId, key, expiresAt } = claim;
  const role = textOf(member, "role");
  const generation = numberOf(member, "generation");
  if (role === undefined || generation === undefined) throw unauthenticated();
  if (claim.generation !== null && claim.generation !== generation) throw unauthenticated();
  // Who left and came back has another membership: the keys of the first one stay dead.
  if (key && key.createdAt < (numberOf(member, "created_at") ?? Infinity)) throw unauthenticated();
  return { tenantId, userId, role, generation, expiresAt, ...(key ? { key } : {}) };
}

function stateOf(row: Item): ApiKeyState {
  return {
    secret_hash: textOf(row, "secret_hash") ?? "",
    ends_at: numberOf(row, "ends_at"),
    revoked_at: numberOf(row, "revoked_at"),
    last_used_at: numberOf(row, "last_used_at"),
  };
}

/** Holds while the key is not revoked. Where its use is due to be noted, the same action notes it: of many at once one does. */
function keyProof(TableName: string, key: RowKey, lastUsedAt: number | undefined, nowMs: number): TransactWriteItem {
  const isGood = "attribute_exists(pk) AND attribute_not_exists(revoked_at)";
  const of = { TableName, Key: keyItem(key) };
  if (!isTouchDue({ last_used_at: lastUsedAt }, nowMs))
    return { ConditionCheck: { ...of, ConditionExpression: isGood } };
  const asRead = lastUsedAt === undefined ? "attribute_not_exists(last_used_at)" : "last_used_at = :read";
  const values: Item = { ":now": number(nowMs) };
  if (lastUsedAt !== undefined) values[":read"] = number(lastUsedAt);
  return {
    Update: {
      ...of,
      ConditionExpression: `${isGood} AND ${asRead}`,
      UpdateExpression: "SET last_used_at = :now",
      ExpressionAttributeValues: values,
    },
  };
}
