import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { acceptInvite, joinByInvite } from "../../../shared/domain/account/accept-invite.ts";
import { rows } from "../../../shared/data/service.ts";
import { TokenAnswer } from "../../../shared/protocol/account.ts";
import { CreateInviteAnswer, Invite } from "../../../shared/protocol/member.ts";
import type { Role } from "../../../shared/protocol/permission.ts";
import { password, startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { pausedTable } from "../../support/paused-table.ts";

let platform: HttpPlatform;
let people = 0;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const newEmail = () => `invited-${(people += 1)}@example.com`;
const address = () => `198.18.1.${(people += 1) % 250}`;

async function invite(who: TokenAnswer, role: Role, email?: string) {
  const answer = await platform.send(
    "POST",
    "/members/invites",
    { role, ...(email ? { email } : {}) },
    who.access_token,
  );
  expect(answer.status).toBe(201);
  return CreateInviteAnswer.parse(answer.body);
}
const accept = (token: string, email = newEmail(), secret = password) =>
  platform.send("POST", "/auth/accept-invite", { token, email, password: secret }, undefined, address());
const join = (who: TokenAnswer, token: string) => platform.send("POST", "/invites/accept", { token }, who.access_token);
const notFound = { status: 404, body: { code: "not_found" } };

describe("an invite", () => {
  it("makes one new person a member with its role, signed in", async () => {
    const owner = await platform.register();
    const { token } = await invite(owner, "member");
    const email = newEmail();
    const answer = await accept(token, email);
    expect(answer.status).toBe(201);
    expect(TokenAnswer.parse(answer.body)).toMatchObject({ tenant: owner.tenant, user: { email, role: "member" } });
    const login = await platform.send("POST", "/auth/login", { email, password });
    expect(login.body["tenant"]).toEqual(owner.tenant);
  });

  it("shows its token once, and is stored by hash", async () => {
    const owner = await platform.register();
    const { token, ...shown } = await invite(owner, "viewer", "Grace@Example.com");
    expect(shown).toMatchObject({ role: "viewer", email: "grace@example.com", invited_by: owner.user.id });
    expect(Date.parse(shown.expires_at) - Date.parse(shown.created_at)).toBe(7 * 24 * 3600 * 1000);
    const listed = await platform.send("GET", "/members/invites", undefined, owner.access_token);
    expect(listed.body["data"]).toEqual([Invite.parse(shown)]);
    expect(listed.text).not.toContain(token);
    const { client, name } = platform.deps.table;
    const { Items } = await client.send(new ScanCommand({ TableName: name }));
    expect(JSON.stringify(Items)).not.toContain(token.split("_").at(-1));
    expect(platform.lines.join("")).not.toContain(token.split("_").at(-1));
  });

  it("lets somebody who has an account join with it, signed in or by its password", async () => {
    const [owner, signedIn] = [await platform.register(), await platform.register()];
    const joined = await join(signedIn, (await invite(owner, "admin")).token);
    expect(joined).toMatchObject({ status: 201, body: { tenant: owner.tenant } });
    expect(TokenAnswer.parse(joined.body).user).toMatchObject({ id: signedIn.user.id, role: "admin" });
    const me = await platform.send("GET", "/me", undefined, signedIn.access_token);
    expect(me.body).toMatchObject({ tenant: signedIn.tenant, tenants: [owner.tenant, signedIn.tenant] });

    const other = await platform.register();
    const byPassword = await accept((await invite(owner, "viewer")).token, other.user.email);
    expect(TokenAnswer.parse(byPassword.body).user).toMatchObject({ id: other.user.id, role: "viewer" });
  });

  it("takes nobody's account with another password, and is not used up by the try", async () => {
    const [owner, victim] = [await platform.register(), await platform.register()];
    const { token } = await invite(owner, "viewer");
    const answer = await accept(token, victim.user.email, "not the password at all");
    expect(answer).toMatchObject({ status: 409, body: { code: "email_taken" } });
    expect((await accept(token)).status).toBe(201);
  });

  it("does not make a member twice, and is not used up by the try", async () => {
    const owner = await platform.register();
    const { token } = await invite(owner, "viewer");
    expect(await join(owner, token)).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect((await accept(token)).status).toBe(201);
  });
});

describe("is the same 404", () => {
  it("used, revoked, expired, unknown, of another tenant's secret, garbage", async () => {
    const owner = await platform.register();
    const person = await platform.register();
    const used = await invite(owner, "viewer");
    expect((await accept(used.token)).status).toBe(201);
    const revoked = await invite(owner, "viewer");
    const path = `/members/invites/${revoked.id}`;
    expect((await platform.send("DELETE", path, undefined, owner.access_token)).status).toBe(204);
    const expired = await invite(owner, "viewer");
    const { entities } = rows(platform.deps.table);
    const key = { tenant_id: owner.tenant.id, invite_id: expired.id };
    const row = await entities.invite.get(key).go();
    await entities.invite.delete(key).go();
    await entities.invite.create({ ...row.data!, expires_at: Math.floor(platform.clock.now() / 1000) }).go();
    const [good, other] = [await invite(owner, "viewer"), await invite(person, "viewer")];
    const swapped = `${good.token.slice(0, 57)}${other.token.slice(57)}`;
    const tokens = [used.token, revoked.token, expired.token, swapped, `${good.token}x`, "inv_x", "' OR 1=1"];
    const answers = [
      ...(await Promise.all(tokens.map((token) => accept(token)))),
      ...(await Promise.all(tokens.map((token) => join(person, token)))),
    ];
    for (const { status, body } of answers) expect({ status, body }).toMatchObject(notFound);
    expect(new Set(answers.map(({ body }) => JSON.stringify({ ...body, request_id: "" }))).size).toBe(1);
    expect((await accept(good.token)).status).toBe(201);
  });

  it("for any email but the one that it names", async () => {
    const owner = await platform.register();
    const { token } = await invite(owner, "viewer", "Heidi@example.com");
    expect(await accept(token, "mallory@example.com")).toMatchObject(notFound);
    expect(await join(await platform.register(), token)).toMatchObject(notFound);
    expect((await accept(token, "heidi@EXAMPLE.com")).status).toBe(201);
  });

  it("once its maker may not invite any more", async () => {
    const owner = await platform.register();
    const [demoted, removed, halved] = await Promise.all([
      platform.join(owner, "admin"),
      platform.join(owner, "admin"),
      platform.join(owner, "owner"),
    ]);
    const tokens = [
      (await invite(demoted!, "viewer")).token,
      (await invite(removed!, "viewer")).token,
      (await invite(halved!, "owner")).token,
    ];
    const member = (who: TokenAnswer) => `/members/${who.user.id}`;
    await platform.send("PATCH", member(demoted!), { role: "member" }, owner.access_token);
    await platform.send("DELETE", member(removed!), undefined, owner.access_token);
    await platform.send("PATCH", member(halved!), { role: "admin" }, owner.access_token);
    for (const token of tokens) expect(await accept(token)).toMatchObject(notFound);
    expect(await join(removed!, tokens[1]!)).toMatchObject({ status: 401 });
  });

  it("to revoke what is another tenant's or nobody's", async () => {
    const [owner, other] = [await platform.register(), await platform.register()];
    const { id, token } = await invite(other, "viewer");
    for (const invite_id of [id, "inv_01JD0000000000000000000000", "x"]) {
      const answer = await platform.send("DELETE", `/members/invites/${invite_id}`, undefined, owner.access_token);
      expect(answer).toMatchObject(notFound);
    }
    expect((await accept(token)).status).toBe(201);
  });
});

describe("at the same time", () => {
  it("one of many takes an invite, and the others leave nothing", async () => {
    const owner = await platform.register();
    const { token } = await invite(owner, "owner");
    const known = await Promise.all([platform.register(), platform.register(), platform.register()]);
    const answers = await Promise.all([...known.map((who) => join(who, token)), ...[1, 2, 3].map(() => accept(token))]);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) expect(answer).toMatchObject(notFound);
    const { entities } = rows(platform.deps.table);
    const members = await entities.user.query.byTenant({ tenant_id: owner.tenant.id }).go({ consistent: true });
    expect(members.data).toHaveLength(2);
    const tenant = await entities.tenant.get({ tenant_id: owner.tenant.id }).go({ consistent: true });
    expect(tenant.data?.owners).toBe(2);
  });

  it("two invites taken with one new email make one account in two tenants", async () => {
    const [a, b] = [await platform.register(), await platform.register()];
    const email = newEmail();
    const tokens = [(await invite(a, "viewer")).token, (await invite(b, "member")).token];
    const answers = await Promise.all(tokens.map((token) => accept(token, email)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    const [first, second] = answers.map(({ body }) => TokenAnswer.parse(body));
    expect(first?.user.id).toBe(second?.user.id);
    const me = await platform.send("GET", "/me", undefined, first?.access_token);
    expect(me.body["tenants"]).toHaveLength(2);
  });

  it("a revoked one is not taken, however far the taking had come", async () => {
    const owner = await platform.register();
    const { id, token } = await invite(owner, "viewer");
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () =>
      platform.send("DELETE", `/members/invites/${id}`, undefined, owner.access_token),
    );
    const email = newEmail();
    await expect(
      acceptInvite({ ...platform.deps, table }, { token, email, password }, address()),
    ).rejects.toMatchObject({
      code: "not_found",
    });
    expect(await platform.send("POST", "/auth/login", { email, password })).toMatchObject({ status: 401 });
  });

  it("an inviter who is demoted in between brings nobody in", async () => {
    const owner = await platform.register();
    const [admin, person] = [await platform.join(owner, "admin"), await platform.register()];
    const { token } = await invite(admin, "viewer");
    const demote = () => platform.send("PATCH", `/members/${admin.user.id}`, { role: "viewer" }, owner.access_token);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", demote);
    const actor = await platform.deps.authenticate(person.access_token);
    await expect(joinByInvite({ ...platform.deps, table }, actor, token)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("to invite", () => {
  it.each(["member", "viewer"] as const)("is not for a %s", async (role) => {
    const owner = await platform.register();
    const person = await platform.join(owner, role);
    const answer = await platform.send("POST", "/members/invites", { role: "viewer" }, person.access_token);
    expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await platform.send("GET", "/members/invites", undefined, person.access_token)).toMatchObject({
      status: 403,
    });
  });

  it("an owner is for owners", async () => {
    const owner = await platform.register();
    const admin = await platform.join(owner, "admin");
    const answer = await platform.send("POST", "/members/invites", { role: "owner" }, admin.access_token);
    expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
  });
});
