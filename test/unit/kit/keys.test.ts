import { Entity } from "electrodb";
import { connectionKey, signingKeyKey, ticketKey } from "../../../shared/data/keys.ts";
import { tableKeys } from "../../../shared/data/table.ts";
import { loginEntity } from "../../../shared/domain/account/login.entity.ts";
import { refreshTokenEntity } from "../../../shared/domain/account/refresh-token.entity.ts";
import { tenantEntity } from "../../../shared/domain/account/tenant.entity.ts";
import { userEntity } from "../../../shared/domain/account/user.entity.ts";
import { connectionEntity } from "../../../shared/domain/connection/connection.entity.ts";
import { signingKeyEntity } from "../../../shared/domain/connection/signing-key.entity.ts";
import { wsTicketEntity } from "../../../shared/domain/connection/ws-ticket.entity.ts";

const config = { table: "t" };
const keyOf = (params: unknown) => (params as { Key: Record<string, string> }).Key;
const tenant_id = "ten_01JD0000000000000000000000";
const user_id = "usr_01JD0000000000000000000000";

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
});

it("rows that end carry the table's TTL attribute in seconds", () => {
  for (const entity of [refreshTokenEntity, wsTicketEntity]) {
    expect(Object.keys(entity.attributes)).toContain(tableKeys.timeToLive);
  }
});
