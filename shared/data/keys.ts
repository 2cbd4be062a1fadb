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
