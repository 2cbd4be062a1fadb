import { rows } from "../../../shared/data/service.ts";
import { changeRole, leaveTenant, removeMember } from "../../../shared/domain/account/member.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { Member } from "../../../shared/protocol/member.ts";
import type { Role } from "../../../shared/protocol/permission.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { pausedTable } from "../../support/paused-table.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const me = (who: TokenAnswer) => platform.send("GET", "/me", undefined, who.access_token);
const list = (who: TokenAnswer, query = "") => platform.send("GET", `/members${query}`, undefined, who.access_token);
const change = (who: TokenAnswer, whom: TokenAnswer, role: Role) =>
  platform.send("PATCH", `/members/${whom.user.id}`, { role }, who.access_token);
const remove = (who: TokenAnswer, whom: TokenAnswer) =>
  platform.send("DELETE", `/members/${whom.user.id}`, undefined, who.access_token);
const leave = (who: TokenAnswer) => platform.send("POST", "/members/leave", undefined, who.access_token);
const actorOf = (who: TokenAnswer) => platform.deps.authenticate(who.access_token);

async function ownersOf({ tenant }: TokenAnswer): Promise<{ counted: number; stored: number }> {
  const { entities } = rows(platform.deps.table);
  const row = await entities.tenant.get({ tenant_id: tenant.id }).go({ consistent: true });
  const members = await entities.user.query.byTenant({ tenant_id: tenant.id }).go({ pages: "all", consistent: true });
  return { counted: row.data?.owners ?? -1, stored: members.data.filter(({ role }) => role === "owner").length };
}

describe("members", () => {
  it("are listed to everybody in the tenant, and to nobody else", async () => {
    const owner = await platform.register();
    const viewer = await platform.join(owner, "viewer");
    const stranger = await platform.register();
    const answer = await list(viewer);
    expect(answer.status).toBe(200);
    const members = (answer.body["data"] as unknown[]).map((member) => Member.parse(member));
    expect(members.map(({ id, role }) => [id, role])).toEqual([
      [owner.user.id, "owner"],
      [viewer.user.id, "viewer"],
    ]);
    expect((await list(stranger)).body["data"]).toHaveLength(1);
  });

  it("come in pages whose cursors are good for this list of this tenant only", async () => {
    const owner = await platform.register();
    await platform.join(owner, "member");
    const first = await list(owner, "?limit=1");
    const cursor = String(first.body["next_cursor"]);
    const second = await list(owner, `?limit=1&cursor=${cursor}`);
    expect(second.body["data"]).toHaveLength(1);
    expect(second.body["data"]).not.toEqual(first.body["data"]);
    const stranger = await platform.register();
    expect(await list(stranger, `?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: "bad_request" } });
    const invites = await platform.send("GET", `/members/invites?cursor=${cursor}`, undefined, owner.access_token);
    expect(invites).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });
});

describe("a role", () => {
  it("changes with the next request, in the token of before", async () => {
    const owner = await platform.register();
    const admin = await platform.join(owner, "admin");
    const invite = () => platform.send("POST", "/members/invites", { role: "viewer" }, admin.access_token);
    expect((await invite()).status).toBe(201);
    expect(await change(owner, admin, "viewer")).toMatchObject({ status: 200, body: { role: "viewer" } });
    expect(await invite()).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect((await me(admin)).body["user"]).toMatchObject({ role: "viewer" });
    await change(owner, admin, "admin");
    expect((await invite()).status).toBe(201);
  });

  it.each([
    ["makes an owner", "member", "owner"],
    ["unmakes an owner", "owner", "member"],
    ["removes an owner", "owner", null],
  ] as const)("of an admin %s: forbidden", async (_what, from, to) => {
    const owner = await platform.register();
    const admin = await platform.join(owner, "admin");
    const target = await platform.join(owner, from);
    const answer = to === null ? await remove(admin, target) : await change(admin, target, to);
    expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect((await me(target)).body["user"]).toMatchObject({ role: from });
  });

  it("of an admin never becomes owner by its own doing", async () => {
    const owner = await platform.register();
    const admin = await platform.join(owner, "admin");
    expect(await change(admin, admin, "owner")).toMatchObject({ status: 403 });
    expect(await change(admin, owner, "viewer")).toMatchObject({ status: 403 });
  });

  it("is changed for a member of one's own tenant only", async () => {
    const [owner, other] = [await platform.register(), await platform.register()];
    const foreign = await change(owner, other, "viewer");
    const unknown = await platform.send(
      "PATCH",
      "/members/usr_01JD0000000000000000000000",
      { role: "viewer" },
      owner.access_token,
    );
    const garbage = await platform.send("PATCH", "/members/x%23y", { role: "viewer" }, owner.access_token);
    for (const answer of [foreign, unknown, garbage]) {
      expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
    expect((await me(other)).body["user"]).toMatchObject({ role: "owner" });
  });
});

describe("a member who is removed", () => {
  it("is out with the next request, on every token, and cannot refresh", async () => {
    const owner = await platform.register();
    const member = await platform.join(owner, "admin");
    expect((await remove(owner, member)).status).toBe(204);
    expect(await me(member)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    const refreshed = await platform.send("POST", "/auth/refresh", { refresh_token: member.refresh_token });
    expect(refreshed).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(await remove(owner, member)).toMatchObject({ status: 404 });
    expect((await list(owner)).body["data"]).toHaveLength(1);
  });

  it("stays out with the tokens of before when invited again, at the same instant", async () => {
    const owner = await platform.register();
    const email = "again@example.com";
    const ended: TokenAnswer[] = [];
    for (let round = 0; round < 3; round += 1) {
      const present = await platform.join(owner, "member", email);
      expect((await me(present)).status).toBe(200);
      for (const { access_token, refresh_token, user } of ended) {
        expect(user.id).toBe(present.user.id);
        expect((await platform.send("GET", "/me", undefined, access_token)).status).toBe(401);
        expect((await platform.send("POST", "/auth/refresh", { refresh_token })).status).toBe(401);
      }
      await remove(owner, present);
      ended.push(present);
    }
  });

  it("can still sign in to the other tenants, and to none where that was the last", async () => {
    const owner = await platform.register();
    const email = "two@example.com";
    const own = await platform.register(email);
    const joined = await platform.join(owner, "member", email);
    const login = () =>
      platform.send("POST", "/auth/login", { email, password: "correct horse battery" }, undefined, "198.18.0.9");
    expect((await login()).body["tenant"]).toEqual(joined.tenant);
    await remove(owner, joined);
    expect((await login()).body["tenant"]).toEqual(own.tenant);

    const single = await platform.join(owner, "member", "single@example.com");
    await leave(single);
    const nowhere = await platform.send("POST", "/auth/login", {
      email: "single@example.com",
      password: "correct horse battery",
    });
    expect(nowhere).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect((await platform.join(owner, "viewer", "single@example.com")).user.id).toBe(single.user.id);
  });
});

describe("the last owner", () => {
  it("stays: no demotion, no removal, no leaving", async () => {
    const owner = await platform.register();
    for (const attempt of [() => change(owner, owner, "admin"), () => remove(owner, owner), () => leave(owner)]) {
      expect(await attempt()).toMatchObject({ status: 409, body: { code: "last_owner" } });
    }
    const second = await platform.join(owner, "owner");
    expect(await ownersOf(owner)).toEqual({ counted: 2, stored: 2 });
    expect((await leave(owner)).status).toBe(204);
    expect(await leave(second)).toMatchObject({ status: 409, body: { code: "last_owner" } });
    expect(await ownersOf(owner)).toEqual({ counted: 1, stored: 1 });
  });

  it("is never lost to owners who unmake each other at once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const owner = await platform.register();
      const others = await Promise.all([platform.join(owner, "owner"), platform.join(owner, "owner")]);
      const all = [owner, ...others];
      const answers = await Promise.all([
        change(all[0]!, all[1]!, "viewer"),
        change(all[1]!, all[2]!, "viewer"),
        change(all[2]!, all[0]!, "viewer"),
        leave(all[0]!),
        leave(all[1]!),
        leave(all[2]!),
      ]);
      const { counted, stored } = await ownersOf(owner);
      expect(stored).toBeGreaterThanOrEqual(1);
      expect(counted).toBe(stored);
      const codes = answers.filter(({ status }) => status >= 400).map(({ body }) => body["code"]);
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) expect(["last_owner", "forbidden", "not_found", "unauthenticated"]).toContain(code);
    }
  }, 60_000);

  it("is decided on the state of the write: the other owner leaves in between", async () => {
    const owner = await platform.register();
    const second = await platform.join(owner, "owner");
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => leave(second));
    await expect(leaveTenant({ ...platform.deps, table }, await actorOf(owner))).rejects.toMatchObject({
      code: "last_owner",
    });
    expect(await ownersOf(owner)).toEqual({ counted: 1, stored: 1 });
  });
});

describe("who manages members", () => {
  it("may no more when demoted in between", async () => {
    const owner = await platform.register();
    const [admin, target] = [await platform.join(owner, "admin"), await platform.join(owner, "member")];
    const actor = await actorOf(admin);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => change(owner, admin, "member"));
    await expect(changeRole({ ...platform.deps, table }, actor, target.user.id, "admin")).rejects.toMatchObject({
      code: "forbidden",
    });
    expect((await me(target)).body["user"]).toMatchObject({ role: "member" });
  });

  it("may no more when removed in between", async () => {
    const owner = await platform.register();
    const [admin, target] = [await platform.join(owner, "admin"), await platform.join(owner, "member")];
    const actor = await actorOf(admin);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => remove(owner, admin));
    await expect(removeMember({ ...platform.deps, table }, actor, target.user.id)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect((await me(target)).status).toBe(200);
  });
});
