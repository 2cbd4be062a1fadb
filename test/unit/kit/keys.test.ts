import { Entity } from "electrodb";
import {
  apiKeyKey,
  connectionKey,
  holderOf,
  memberKey,
  signingKeyKey,
  tenantConnectionKey,
  tenantConnections,
  tenantKey,
  ticketKey,
} from "../../../shared/data/keys.ts";
import { tableKeys } from "../../../shared/data/table.ts";
import { loginEntity } from "../../../shared/domain/account/login.entity.ts";
import { refreshTokenEntity } from "../../../shared/domain/account/refresh-token.entity.ts";
import { tenantEntity } from "../../../shared/domain/account/tenant.entity.ts";
import { userEntity } from "../../../shared/domain/account/user.entity.ts";
import { apiKeyEntity } from "../../../shared/domain/api-key/api-key.entity.ts";
import { tenantConnectionEntity } from "../../../shared/domain/connection/tenant-connection.entity.ts";
import { connectionEntity } from "../../../shared/domain/connection/connection.entity.ts";
import { signingKeyEntity } from "../../../shared/domain/connection/signing-key.entity.ts";
import { wsTicketEntity } from "../../../shared/domain/connection/ws-ticket.entity.ts";

const config = { table: "t" };
const keyOf = (params: unknown) => (params as { Key: Record<string, string> }).Key;
const tenant_id = "ten_01JD0000000000000000000000";
const user_id = "usr_01JD0000000000000000000000";
const key_id = "key_01JD0000000000000000000000";

/** Changing any of these is a migration of stored data. */
it.each([
  [
    "login by email",
    keyOf(new Entity(loginEntity, config).get({ email: "ada@example.com" }).params()),
    "$platform#email_ada@example.com",
    "$login_1",
  ],
  [
    "tenant",
    keyOf(new Entity(tenantEntity, config).get({ tenant_id }).params()),
    `$platform#tenant_id_${tenant_id}`,
    "$tenant_1",
  ],
  [
    "user of a tenant",
    keyOf(new Entity(userEntity, config).get({ tenant_id, user_id }).params()),
    `$platform#tenant_id_${tenant_id}`,
    `$user_1#user_id_${user_id}`,
  ],
  [
    "refresh tokens by locator",
    keyOf(new Entity(refreshTokenEntity, config).get({ locator_hash: "aB-_" }).params()),
    "$platform#locator_hash_aB-_",
    "$refreshtoken_1",
  ],
  [
    "ticket by hash",
    keyOf(new Entity(wsTicketEntity, config).get({ ticket_hash: "aB-_" }).params()),
    "$platform#ticket_hash_aB-_",
    "$wsticket_1",
  ],
  [
    "API key of a tenant",
    keyOf(new Entity(apiKeyEntity, config).get({ tenant_id, key_id }).params()),
    `$platform#tenant_id_${tenant_id}`,
    `$apikey_1#key_id_${key_id}`,
  ],
  [
    "connection of a tenant",
    keyOf(
      new Entity(tenantConnectionEntity, config).get({ tenant_id, holder: user_id, connection_id: "aB=" }).params(),
    ),
    `$platform#tenant_id_${tenant_id}`,
    `$tenantconnection_1#holder_${user_id}#connection_id_aB=`,
  ],
  [
    "signing key",
    keyOf(new Entity(signingKeyEntity, config).get({ kid: "aB-_" }).params()),
    "$platform",
    "$signingkey_1#kid_aB-_",
  ],
])("the key of %s", (_name, key, pk, sk) => {
  expect(key).toEqual({ pk, sk });
});

it("the keys that are built by hand are the entities' own", () => {
  expect(signingKeyKey("Xy-_9")).toEqual(keyOf(new Entity(signingKeyEntity, config).get({ kid: "Xy-_9" }).params()));
  expect(connectionKey("Xy-_9=")).toEqual(
    keyOf(new Entity(connectionEntity, config).get({ connection_id: "Xy-_9=" }).params()),
  );
  expect(ticketKey("Xy-_9")).toEqual(keyOf(new Entity(wsTicketEntity, config).get({ ticket_hash: "Xy-_9" }).params()));
  expect(tenantKey(tenant_id)).toEqual(keyOf(new Entity(tenantEntity, config).get({ tenant_id }).params()));
  expect(memberKey(tenant_id, user_id)).toEqual(
    keyOf(new Entity(userEntity, config).get({ tenant_id, user_id }).params()),
  );
  expect(apiKeyKey(tenant_id, key_id)).toEqual(
    keyOf(new Entity(apiKeyEntity, config).get({ tenant_id, key_id }).params()),
  );
});

it.each([holderOf(user_id), holderOf(user_id, key_id)])(
  "the key of a connection of %s is the entity's own",
  (holder) => {
    const connections = new Entity(tenantConnectionEntity, config);
    const key = keyOf(connections.get({ tenant_id, holder, connection_id: "Xy-_9=" }).params());
    expect(tenantConnectionKey(tenant_id, holder, "Xy-_9=")).toEqual(key);
    const { pk, sk } = tenantConnections(tenant_id);
    expect(key["pk"]).toBe(pk);
    expect(key["sk"]?.startsWith(sk)).toBe(true);
  },
);

it("a user's connections, with those of the user's keys, are one range of keys, and nobody else's are in it", () => {
  const of = (holder: string) => tenantConnectionKey(tenant_id, holder, "c").sk;
  const start = `$tenantconnection_1#holder_${user_id}`;
  const { KeyConditionExpression, ExpressionAttributeValues } = new Entity(tenantConnectionEntity, config).query
    .byHolder({ tenant_id })
    .begins({ holder: user_id })
    .params() as { KeyConditionExpression: string; ExpressionAttributeValues: Record<string, string> };
  expect(KeyConditionExpression).toContain("begins_with");
  expect(Object.values(ExpressionAttributeValues)).toContain(start);
  expect(of(holderOf(user_id)).startsWith(start)).toBe(true);
  expect(of(holderOf(user_id, key_id)).startsWith(start)).toBe(true);
  expect(of(holderOf("usr_01JD0000000000000000000001")).startsWith(start)).toBe(false);
});

it("rows that end carry the table's TTL attribute in seconds", () => {
  for (const entity of [
    refreshTokenEntity,
    wsTicketEntity,
    apiKeyEntity,
    connectionEntity,
    tenantConnectionEntity,
    signingKeyEntity,
  ]) {
    expect(Object.keys(entity.attributes)).toContain(tableKeys.timeToLive);
  }
});
