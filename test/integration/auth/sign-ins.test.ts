import { acceptInvite } from "../../../shared/domain/account/accept-invite.ts";
import { login, refresh } from "../../../shared/domain/account/account.ts";
import { changePassword, logoutAll } from "../../../shared/domain/account/end-sign-ins.ts";
import { TokenAnswer } from "../../../shared/protocol/account.ts";
import { password, startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { pausedTable } from "../../support/paused-table.ts";

let platform: HttpPlatform;
let addresses = 0;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const newPassword = "another horse, another battery";
const address = () => `198.18.2.${(addresses += 1) % 250}`;
const as = (who: TokenAnswer, method: string, path: string, body?: unknown) =>
  platform.send(method, path, body, who.access_token, address());
const change = (who: TokenAnswer, current_password = password, new_password = newPassword) =>
  as(who, "POST", "/auth/password", { current_password, new_password });
const logIn = (who: TokenAnswer, secret: string) =>
  platform.send("POST", "/auth/login", { email: who.user.email, password: secret }, undefined, address());

/** What the tokens are still worth: the access token, then the refresh token. */
async function worth(who: TokenAnswer): Promise<number[]> {
  const me = await as(who, "GET", "/me");
  const refreshed = await platform.send("POST", "/auth/refresh", { refresh_token: who.refresh_token });
  return [me.status, refreshed.status];
}

/** One person, signed in twice in the own tenant and once in another's. */
async function traveller(email: string) {
  const host = await platform.register();
  const laptop = await platform.register(email);
  const away = await platform.join(host, "member", email);
  const phone = TokenAnswer.parse((await as(away, "POST", "/auth/switch", { tenant_id: laptop.tenant.id })).body);
  return { host, laptop, away, phone };
}

describe("a new password", () => {
  it("ends every other sign-in in every tenant, and answers the only good tokens", async () => {
    const { host, laptop, away, phone } = await traveller("mia@example.com");
    const answer = await change(phone);
    expect(answer.status).toBe(200);
    const fresh = TokenAnswer.parse(answer.body);
    expect(fresh.tenant).toEqual(laptop.tenant);
    for (const before of [laptop, away, phone]) expect(await worth(before)).toEqual([401, 401]);
    expect(await worth(fresh)).toEqual([200, 200]);
    expect(await worth(host)).toEqual([200, 200]);
    expect(await logIn(phone, password)).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
    expect((await logIn(phone, newPassword)).status).toBe(200);
  });

  it("needs the present one", async () => {
    const person = await platform.register();
    expect(await change(person, "not the present one")).toMatchObject({
      status: 401,
      body: { code: "invalid_credentials" },
    });
    expect((await as(person, "GET", "/me")).status).toBe(200);
    expect(await change(person, password, "short")).toMatchObject({ status: 422 });
  });

  it("is one of those that are set at once, and the tokens of the others are dead", async () => {
    const person = await platform.register();
    const wanted = [1, 2, 3, 4].map((n) => `the password number ${n}`);
    const answers = await Promise.all(wanted.map((secret) => change(person, password, secret)));
    const won = answers.findIndex(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers.filter((_, index) => index !== won)) {
      expect(status).toBe(401);
      expect(["invalid_credentials", "unauthenticated"]).toContain(body["code"]);
    }
    expect(await worth(TokenAnswer.parse(answers[won]?.body))).toEqual([200, 200]);
    expect((await logIn(person, wanted[won]!)).status).toBe(200);
  });

  it("reaches the membership that was made in between", async () => {
    const host = await platform.register();
    const person = await platform.register();
    const actor = await platform.deps.authenticate(person.access_token);
    const joined: TokenAnswer[] = [];
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", async () => {
      joined.push(await platform.join(host, "member", person.user.email));
    });
    const input = { current_password: password, new_password: newPassword };
    const fresh = await changePassword({ ...platform.deps, table }, actor, input, address());
    expect(await worth(joined[0]!)).toEqual([401, 401]);
    expect(await worth(fresh)).toEqual([200, 200]);
  });
});

describe("to log out everywhere", () => {
  it("ends every sign-in of the user in every tenant, and nobody else's", async () => {
    const { host, laptop, away, phone } = await traveller("nina@example.com");
    expect(await as(laptop, "POST", "/auth/logout-all")).toMatchObject({ status: 204, text: "" });
    for (const before of [laptop, away, phone]) expect(await worth(before)).toEqual([401, 401]);
    expect(await worth(host)).toEqual([200, 200]);
    expect(await worth(TokenAnswer.parse((await logIn(laptop, password)).body))).toEqual([200, 200]);
  });

  it("makes a ticket of before worthless to whom it was given", async () => {
    const person = await platform.register();
    const actor = await platform.deps.authenticate(person.access_token);
    await as(person, "POST", "/auth/logout-all");
    const again = TokenAnswer.parse((await logIn(person, password)).body);
    const now = await platform.deps.authenticate(again.access_token);
    expect(now.generation).toBeGreaterThan(actor.generation);
  });

  it("is done by each of many at once", async () => {
    const person = await platform.register();
    const answers = await Promise.all(Array.from({ length: 4 }, () => as(person, "POST", "/auth/logout-all")));
    expect(answers.filter(({ status }) => status === 204).length).toBeGreaterThanOrEqual(1);
    for (const { status } of answers) expect([204, 401]).toContain(status);
    expect(await worth(person)).toEqual([401, 401]);
  });
});

describe("what runs while the password changes gives nothing that outlives it:", () => {
  it("a login with the old password", async () => {
    const person = await platform.register();
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => change(person));
    const input = { email: person.user.email, password };
    await expect(login({ ...platform.deps, table }, input, address())).rejects.toMatchObject({
      code: "invalid_credentials",
    });
  });

  it("a refresh that had passed every check", async () => {
    const person = await platform.register();
    const table = pausedTable(platform.deps.table, "UpdateCommand", () => change(person), "$refreshtoken");
    const answered = await refresh({ ...platform.deps, table }, person.refresh_token, address());
    expect(await worth(answered)).toEqual([401, 401]);
    expect(await worth(person)).toEqual([401, 401]);
  });

  it("an invite that is taken with the old password", async () => {
    const [host, person] = [await platform.register(), await platform.register()];
    const invite = await as(host, "POST", "/members/invites", { role: "admin" });
    const token = String(invite.body["token"]);
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", () => change(person));
    const input = { token, email: person.user.email, password };
    await expect(acceptInvite({ ...platform.deps, table }, input, address())).rejects.toMatchObject({
      code: "email_taken",
    });
  });

  it("another end of all sign-ins with a token that has died", async () => {
    const person = await platform.register();
    const actor = await platform.deps.authenticate(person.access_token);
    let fresh: TokenAnswer | null = null;
    const table = pausedTable(platform.deps.table, "TransactWriteCommand", async () => {
      fresh = TokenAnswer.parse((await change(person)).body);
    });
    await expect(logoutAll({ ...platform.deps, table }, actor)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await worth(fresh!)).toEqual([200, 200]);
  });

  it("whatever is asked for at the same time, without any order", async () => {
    for (let round = 0; round < 4; round += 1) {
      const { laptop, away, phone } = await traveller(`oscar-${round}@example.com`);
      const [changed, ...others] = await Promise.all([
        change(laptop),
        platform.send("POST", "/auth/refresh", { refresh_token: away.refresh_token }),
        platform.send("POST", "/auth/refresh", { refresh_token: phone.refresh_token }),
        as(phone, "POST", "/auth/switch", { tenant_id: away.tenant.id }),
        as(away, "POST", "/auth/switch", { tenant_id: laptop.tenant.id }),
        logIn(laptop, password),
      ]);
      expect(changed?.status).toBe(200);
      for (const { status, body } of others) {
        if (status === 200) expect(await worth(TokenAnswer.parse(body))).toEqual([401, 401]);
        else expect(status).toBe(401);
      }
      expect(await worth(TokenAnswer.parse(changed?.body))).toEqual([200, 200]);
    }
  }, 60_000);
});
