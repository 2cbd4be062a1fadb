import { admitAddress, admitGuess, networkOf } from "../../../shared/domain/account/throttle.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { password, startHttpPlatform, type HttpAnswer, type HttpPlatform } from "../../support/http-platform.ts";

let platform: HttpPlatform;
let addresses = 0;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const address = () => `100.64.${Math.floor((addresses += 1) / 250)}.${addresses % 250}`;
const logIn = (email: string, secret: string, from: string) =>
  platform.send("POST", "/auth/login", { email, password: secret }, undefined, from);
const limited = { status: 429, body: { code: "rate_limited" } };

/** Without the work of comparing passwords. */
async function guess(email: string, from: string): Promise<"admitted" | "refused"> {
  return admitGuess(platform.deps, email, from).then(
    () => "admitted",
    () => "refused",
  );
}
async function guessUntilRefused(email: string, from: () => string): Promise<number> {
  let admitted = 0;
  while (admitted < 1000 && (await guess(email, from())) === "admitted") admitted += 1;
  return admitted;
}

describe("wrong passwords", () => {
  const shown = ({ status, headers, body }: HttpAnswer) => [
    status,
    body["code"],
    headers["retry-after"],
    body["detail"],
  ];

  it("are refused after ten from one network, whether the account exists or not, in the same words", async () => {
    const person = await platform.register();
    const [here, there] = [address(), address()];
    const [known, unknown]: unknown[][] = [[], []];
    for (let n = 0; n < 12; n += 1) {
      known?.push(shown(await logIn(person.user.email, `wrong ${n}`, here)));
      unknown?.push(shown(await logIn("nobody@example.com", `wrong ${n}`, there)));
    }
    expect(known).toEqual(unknown);
    expect(known?.map((answer) => (answer as unknown[])[0])).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const answer = await logIn(person.user.email, password, here);
    expect(answer).toMatchObject(limited);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(30);
  });

  it("from elsewhere do not keep the person out", async () => {
    const person = await platform.register();
    const attacker = address();
    expect(await guessUntilRefused(person.user.email, () => attacker)).toBe(10);
    expect((await logIn(person.user.email, password, address())).status).toBe(200);
  });

  it("without end from one network keep nobody else out, however long it goes on", async () => {
    const email = "victim@example.com";
    const attacker = address();
    for (let minute = 0; minute < 60; minute += 1) {
      for (let n = 0; n < 5; n += 1) await guess(email, attacker);
      platform.clock.advance(60_000);
      expect(await guess(email, address())).toBe("admitted");
    }
  });

  it("are good again when the time that was said is over", async () => {
    const person = await platform.register();
    const from = address();
    await guessUntilRefused(person.user.email, () => from);
    const refused = await logIn(person.user.email, password, from);
    platform.clock.advance(Number(refused.headers["retry-after"]) * 1000);
    expect((await logIn(person.user.email, password, from)).status).toBe(200);
  });

  it("from ever new networks end at a hundred for one account, and for no other", async () => {
    expect(await guessUntilRefused("target@example.com", address)).toBe(100);
    expect(await guess("neighbour@example.com", address())).toBe("admitted");
    platform.clock.advance(10_000);
    expect(await guessUntilRefused("target@example.com", address)).toBe(1);
    platform.clock.advance(1000 * 1000);
    expect(await guessUntilRefused("target@example.com", address)).toBe(100);
  });

  it("for ever new accounts end at sixty from one network, and take nothing from the accounts after", async () => {
    const from = address();
    let emails = 0;
    let admitted = 0;
    while (admitted < 1000 && (await guess(`spray-${(emails += 1)}@example.com`, from)) === "admitted") admitted += 1;
    expect(admitted).toBe(60);
    for (let n = 0; n < 50; n += 1) await guess("spared@example.com", from);
    expect(await guessUntilRefused("spared@example.com", address)).toBe(100);
  });

  it("count wherever a password is asked for", async () => {
    const person = await platform.register();
    const host = await platform.register();
    const invite = await platform.send("POST", "/members/invites", { role: "viewer" }, host.access_token);
    const from = address();
    const wrong = "the wrong password";
    const attempts = [
      () => logIn(person.user.email, wrong, from),
      () =>
        platform.send(
          "POST",
          "/auth/password",
          { current_password: wrong, new_password: "a good new password" },
          person.access_token,
          from,
        ),
      () =>
        platform.send(
          "POST",
          "/auth/accept-invite",
          { token: invite.body["token"], email: person.user.email, password: wrong },
          undefined,
          from,
        ),
    ];
    for (let n = 0; n < 10; n += 1) expect([401, 409]).toContain((await attempts[n % 3]!()).status);
    for (const attempt of attempts) expect(await attempt()).toMatchObject(limited);
    const idToken = { provider: "acme", id_token: "x", current_password: wrong };
    expect(await platform.send("POST", "/auth/oidc/link", idToken, person.access_token, from)).toMatchObject(limited);
  });
});

describe("the right password", () => {
  it("costs nothing, however often", async () => {
    const person = await platform.register();
    const from = address();
    for (let n = 0; n < 15; n += 1) expect((await logIn(person.user.email, password, from)).status).toBe(200);
    expect(await guessUntilRefused(person.user.email, () => from)).toBe(10);
  });

  it("costs nothing, also of many at the same time", async () => {
    const person = await platform.register();
    const from = address();
    const answers = await Promise.all(Array.from({ length: 8 }, () => logIn(person.user.email, password, from)));
    for (const { status } of answers) expect([200, 429]).toContain(status);
    expect(await guessUntilRefused(person.user.email, () => from)).toBe(10);
  });
});

describe("one network", () => {
  it("registers thirty accounts, then one a minute", async () => {
    const from = address();
    for (let n = 0; n < 30; n += 1) await admitAddress(platform.deps, "register", from);
    const body = { email: "thirty-first@example.com", password, tenant_name: "T" };
    const register = () => platform.send("POST", "/auth/register", body, undefined, from);
    expect(await register()).toMatchObject(limited);
    platform.clock.advance(60_000);
    expect((await register()).status).toBe(201);
  });

  it("refreshes three hundred times at once, and a family that waits is not harmed", async () => {
    const from = address();
    const person: TokenAnswer = await platform.register();
    for (let n = 0; n < 300; n += 1) await admitAddress(platform.deps, "refresh", from);
    const { refresh_token } = person;
    const refresh = () => platform.send("POST", "/auth/refresh", { refresh_token }, undefined, from);
    expect(await refresh()).toMatchObject(limited);
    platform.clock.advance(1000);
    expect((await refresh()).status).toBe(200);
  });

  it.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::", "fe80:0:0:0"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
  ])("of %s is %s", (of, network) => {
    expect(networkOf(of)).toBe(network);
  });
});
