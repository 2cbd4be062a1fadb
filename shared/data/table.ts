/**
 * Physical names of the one table: read by the entities and by the CDK construct, so that they cannot disagree.
 * Keys are strings; the TTL attribute is in seconds and is also checked on every read, since TTL deletion is late.
 */
export const tableKeys = {
  partitionKey: "pk",
  sortKey: "sk",
  timeToLive: "expires_at",
  indexes: {
    gsi1: { partitionKey: "gsi1pk", sortKey: "gsi1sk" },
    gsi2: { partitionKey: "gsi2pk", sortKey: "gsi2sk" },
    gsi3: { partitionKey: "gsi3pk", sortKey: "gsi3sk" },
    gsi4: { partitionKey: "gsi4pk", sortKey: "gsi4sk" },
    gsi5: { partitionKey: "gsi5pk", sortKey: "gsi5sk" },
  },
} as const;

/**
 * What an index holds of its rows beside keys; one that is not named here holds all of them. A change of anything else costs
 * nothing there. An entity says what of it is its own.
 */
export const indexAttributes: Readonly<Record<string, readonly string[]>> = {
  gsi5: ["tenant_id", "session_id", "epoch", "due_at", "copying", "__edb_e__", "__edb_v__"],
};

/**
 * How an entity names its keys. Casing `none` everywhere: connection ids and token hashes are case sensitive,
 * and ElectroDB would lower-case them into collisions.
 */
export const keyFields = {
  primary: {
    pk: { field: "pk", casing: "none" },
    sk: { field: "sk", casing: "none" },
  },
  gsi1: {
    index: "gsi1",
    pk: { field: "gsi1pk", casing: "none" },
    sk: { field: "gsi1sk", casing: "none" },
  },
  gsi2: {
    index: "gsi2",
    pk: { field: "gsi2pk", casing: "none" },
    sk: { field: "gsi2sk", casing: "none" },
  },
  gsi3: {
    index: "gsi3",
    pk: { field: "gsi3pk", casing: "none" },
    sk: { field: "gsi3sk", casing: "none" },
  },
  gsi4: {
    index: "gsi4",
    pk: { field: "gsi4pk", casing: "none" },
    sk: { field: "gsi4sk", casing: "none" },
  },
  gsi5: {
    index: "gsi5",
    pk: { field: "gsi5pk", casing: "none" },
    sk: { field: "gsi5sk", casing: "none" },
  },
} as const;

/** The `service` part of every key; changing it is a migration. */
export const serviceName = "platform";
