import { rows } from "../../../shared/data/service.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { bearer, offer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const { found, join } = people(() => platform);
const { connect, ticketOf, keyOf, ofTenant } = socketDriver(() => platform);
const sessionId = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";

/** Somebody's good credentials of every kind. */
async function credentials() {
  const owner = await found();
  const member = await join(owner, "admin");
  const of = { tenantId: owner.tenant.id, sessionId, epoch: 1 };
  return {
    owner,
    member,
    access: member.access_token,
    refresh: member.refresh_token,
    ticket: await ticketOf(member),
    key: await keyOf(member, ["session.read", "session.write", "prompt.send"]),
    sandbox: (await platform.deps.sandboxTokens.mint(of)).token,
    boot: await platform.deps.bootSecrets.derive(sessionId, 1),
  };
}
type Credentials = Awaited<ReturnType<typeof credentials>>;
type Headers = Record<string, string>;

const memberRow = ({ owner, member }: Credentials) => ({ tenant_id: owner.tenant.id, user_id: member.user.id });
const users = () => rows(platform.deps.table).entities.user;
const asRow = (path: string, { owner }: Credentials, method = "DELETE") =>
  platform.send(method, path, undefined, owner.access_token);

/** In the wrong place, or of the wrong kind. */
const misplaced: [name: string, headers: (of: Credentials) => Headers][] = [
  ["nothing", () => ({})],
  ["an empty bearer", () => ({ Authorization: "Bearer " })],
  ["a token without a scheme", ({ access }) => ({ Authorization: access })],
  ["a token of another scheme", ({ access }) => ({ Authorization: `Basic ${access}` })],
  ["two tokens", ({ access }) => ({ Authorization: `Bearer ${access} ${access}` })],
  ["a token in a cookie", ({ access }) => ({ Cookie: `access_token=${access}` })],
  ["a key in a header of its own", ({ key }) => ({ "X-Api-Key": key.key })],
  ["a key without a scheme", ({ key }) => ({ Authorization: key.key })],
  ["a refresh token", ({ refresh }) => bearer(refresh)],
  ["a boot secret", ({ boot }) => bearer(boot)],
  ["a ticket as a bearer", ({ ticket }) => bearer(ticket)],
  ["an access token as a ticket", ({ access }) => offer(access)],
  ["a key as a ticket", ({ key }) => offer(key.key)],
  ["a sandbox token as a ticket", ({ sandbox }) => offer(sandbox)],
  ["an empty ticket", () => offer("")],
  ["a ticket's hash", ({ ticket }) => offer(`${ticket}=`)],
  ["a ticket without its prefix", ({ ticket }) => ({ "Sec-WebSocket-Protocol": `sandbox.v1, ${ticket}` })],
  ["a wrong ticket before a good token", ({ access }) => ({ ...offer("guess"), ...bearer(access) })],
  ["a key of nobody", () => bearer(`sbx_${"0".repeat(52)}_${"A".repeat(43)}`)],
];

const removed = (of: Credentials) => users().delete(memberRow(of)).go();
const signedOut = (of: Credentials) => users().patch(memberRow(of)).set({ generation: 2 }).go();
const aged = (ms: number) => async () => platform.clock.advance(ms);

/** Good once. */
const ended: [name: string, end: (of: Credentials) => Promise<unknown>, headers: (of: Credentials) => Headers][] = [
  ["a token that is too old", aged(16 * 60_000), ({ access }) => bearer(access)],
  ["a ticket that is too old", aged(60_000), ({ ticket }) => offer(ticket)],
  ["a ticket that was used", ({ ticket }) => connect(offer(ticket)), ({ ticket }) => offer(ticket)],
  ["a key that was revoked", (of) => asRow(`/api-keys/${of.key.id}`, of), ({ key }) => bearer(key.key)],
  ["a token of somebody who was removed", removed, ({ access }) => bearer(access)],
  ["a ticket of somebody who was removed", removed, ({ ticket }) => offer(ticket)],
  ["a key of somebody who was removed", removed, ({ key }) => bearer(key.key)],
  ["a token of before signing out everywhere", signedOut, ({ access }) => bearer(access)],
  ["a ticket of before signing out everywhere", signedOut, ({ ticket }) => offer(ticket)],
];

async function expectRefused(of: Credentials, headers: Headers): Promise<void> {
  const before = await ofTenant(of.owner.tenant.id);
  expect(await connect(headers)).toMatchObject({ statusCode: 401 });
  expect(await ofTenant(of.owner.tenant.id)).toEqual(before);
}

test("each of the good ones comes in where it belongs, so that the refusals below mean something", async () => {
  const of = await credentials();
  for (const headers of [bearer(of.access), offer(of.ticket), bearer(of.key.key), bearer(of.sandbox)])
    expect(await connect(headers)).toMatchObject({ statusCode: 200 });
});

test.each(misplaced)("%s opens nothing", async (_name, headers) => {
  const of = await credentials();
  await expectRefused(of, headers(of));
});

test.each(ended)("%s opens nothing", async (_name, end, headers) => {
  const of = await credentials();
  await end(of);
  await expectRefused(of, headers(of));
});

test("no proof is read from the URL", async () => {
  const of = await credentials();
  for (const name of ["token", "access_token", "authorization", "ticket", "api_key"]) {
    for (const proof of [of.access, of.ticket, of.key.key])
      expect(await connect({}, undefined, undefined, { [name]: proof })).toMatchObject({ statusCode: 401 });
  }
});
