import { serviceName } from "./table.ts";

/**
 * Keys of the rows that `connect` reads and burns without ElectroDB, which would be half of its bundle.
 * test/unit/kit/keys.test.ts proves them equal to the entities' own.
 */
export interface RowKey {
  pk: string;
  sk: string;
}

export function signingKeyKey(kid: string): RowKey {
  return { pk: `$${serviceName}`, sk: `$signingkey_1#kid_${kid}` };
}

/** `ticketHash` as `digestOf` gives it. */
export function ticketKey(ticketHash: string): RowKey {
  return { pk: `$${serviceName}#ticket_hash_${ticketHash}`, sk: "$wsticket_1" };
}

export function connectionKey(connectionId: string): RowKey {
  return { pk: `$${serviceName}#connection_id_${connectionId}`, sk: "$connection_1" };
}

const tenantPartition = (tenantId: string) => `$${serviceName}#tenant_id_${tenantId}`;

export function tenantKey(tenantId: string): RowKey {
  return { pk: tenantPartition(tenantId), sk: "$tenant_1" };
}

export function memberKey(tenantId: string, userId: string): RowKey {
  return { pk: tenantPartition(tenantId), sk: `$user_1#user_id_${userId}` };
}

export function apiKeyKey(tenantId: string, keyId: string): RowKey {
  return { pk: tenantPartition(tenantId), sk: `$apikey_1#key_id_${keyId}` };
}

/** `holder` as `holderOf` gives it. */
export function tenantConnectionKey(tenantId: string, holder: string, connectionId: string): RowKey {
  return {
    pk: tenantPartition(tenantId),
    sk: `$tenantconnection_1#holder_${holder}#connection_id_${connectionId}`,
  };
}

/** How the keys of all of a tenant's connections begin. */
export function tenantConnections(tenantId: string): RowKey {
  return { pk: tenantPartition(tenantId), sk: "$tenantconnection_1#holder_" };
}

/** Who holds a connection: the user, or one of the user's API keys. A user's id alone begins all of these. */
export function holderOf(userId: string, keyId?: string): string {
  return keyId === undefined ? userId : `${userId}#${keyId}`;
}
