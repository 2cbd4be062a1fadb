import type { IncomingHttpHeaders } from "node:http";
import { rows } from "../../../shared/data/service.ts";
import { type Chain, raw, startChain } from "./chain.ts";

let chain: Chain;
const seen: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];

beforeAll(async () => {
  chain = await startChain((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
    request.on("end", () => {
      seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
      response.setHeader("set-cookie", [
        "app=1; Path=/; Domain=localhost",
        "wide=1; DOMAIN = .preview.example.net",
        "sandbox_preview=forged; Path=/",
        "__Host-sandbox_preview=forged; Path=/; Secure",
      ]);
      response.setHeader("strict-transport-security", "max-age=1; includeSubDomains");
      response.setHeader("clear-site-data", '"*"');
      response.setHeader("x-sandbox-refusal", "starting");
      if (request.url === "/moved") response.setHeader("location", `http://localhost:${chain.appPort}//evil.example/x`);
      response.end("the app's secret");
    });
  });
  await chain.place(chain.key);
});
afterAll(() => chain.stop());
beforeEach(() => seen.splice(0));

const secret = "the app's secret";
const request = (path: string, headers: Record<string, string>, method = "GET", body = "") =>
  raw(
    chain.gatewayPort,
    `${method} ${path} HTTP/1.1\r\n${Object.entries({ connection: "close", ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n${body}`,
    1500,
  );
const own = async () => ({
  host: chain.hostOf(chain.key),
  cookie: `sandbox_preview=${await chain.issue("cookie", chain.key)}`,
});

test("who holds the capability sees the app; the app sees nothing of the platform", async () => {
  const { host, cookie } = await own();
  const answer = await request("/a%20b?x=1&raw", {
    host,
    cookie: `mine=2; ${cookie}; __Host-sandbox_preview=x`,
    authorization: "Bearer platform",
    "proxy-authorization": "Basic x",
    "x-sandbox-control-key": "guess",
    "X-Sandbox-Preview-Key": "guess",
    "x-sandbox-port": "22",
    "x-forwarded-host": "evil.example",
    forwarded: "host=evil.example",
    te: "trailers",
  });
  expect(answer).toContain(secret);
  expect(seen).toMatchObject([
    { url: "/a%20b?x=1&raw", headers: { cookie: "mine=2", host: `localhost:${chain.appPort}` } },
  ]);
  const names = Object.keys(seen[0]?.headers ?? {});
  expect(names.filter((name) => /sandbox|authorization|forwarded|^te$|amzn/.test(name))).toEqual([]);
  expect(JSON.stringify(seen)).not.toMatch(/platform|guess|evil|sandbox_preview/);
});

test("the app's answer reaches this one origin alone", async () => {
  const answer = await request("/moved", await own());
  const headers = answer.split("\r\n\r\n")[0]?.toLowerCase() ?? "";
  expect(headers.match(/^set-cookie: .*$/gm)).toEqual(["set-cookie: app=1; path=/", "set-cookie: wide=1"]);
  expect(headers).not.toMatch(/strict-transport|clear-site-data|x-sandbox|domain/);
  // A redirect to itself stays on the preview, and `//evil.example` would be another host.
  expect(headers).toMatch(/^location: \/evil\.example\/x$/m);
});

describe("what opens nothing", () => {
  const otherSession = { tenant_id: "ten_other", session_id: "11111111-2222-4333-8444-555555555555" };
  const cookies: [string, () => Promise<string> | string][] = [
    ["no cookie", () => ""],
    ["an empty one", () => "sandbox_preview="],
    ["nonsense", () => "sandbox_preview=AAAA"],
    ["long nonsense", () => `sandbox_preview=${"A".repeat(4000)}`],
    ["another port's", async () => `sandbox_preview=${await chain.issue("cookie", chain.key, chain.appPort - 1)}`],
    ["another session's", async () => `sandbox_preview=${await chain.issue("cookie", otherSession)}`],
    ["one over its time", async () => `sandbox_preview=${await chain.issue("cookie", chain.key, chain.appPort, -1)}`],
    ["a ticket", async () => `sandbox_preview=${await chain.issue("ticket", chain.key)}`],
    ["one with a changed byte", async () => `sandbox_preview=B${(await chain.issue("cookie", chain.key)).slice(1)}`],
    ["one under another name", async () => `x-sandbox_preview=${await chain.issue("cookie", chain.key)}`],
    [
      "one behind four forged",
      async () => `${"sandbox_preview=x; ".repeat(4)}sandbox_preview=${await chain.issue("cookie", chain.key)}`,
    ],
  ];

  test.each(cookies)("%s", async (_name, make) => {
    const answer = await request("/", { host: chain.hostOf(chain.key), cookie: await make() });
    expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(seen).toEqual([]);
  });

  test("another tenant's claim to the same session finds no container there", async () => {
    const claimed = await chain.issue("cookie", { ...chain.key, tenant_id: "ten_other" });
    const answer = await request("/", { host: chain.hostOf(chain.key), cookie: `sandbox_preview=${claimed}` });
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(seen).toEqual([]);
  });

  test.each([
    ["no preview's name", () => "localhost"],
    ["the address", () => "127.0.0.1"],
    ["another session's name", () => chain.hostOf(otherSession)],
    ["another port's name", () => chain.hostOf(chain.key, 22)],
    ["a name in front", () => `x.${chain.hostOf(chain.key)}`],
    ["userinfo", () => `${chain.hostOf(chain.key)}@evil.example`],
    ["port 0", () => `${chain.key.session_id}--0.localhost`],
    ["port 65536", () => `${chain.key.session_id}--65536.localhost`],
  ])("a Host header with %s", async (_name, make) => {
    const { cookie } = await own();
    const answer = await request("/", { host: make(), cookie });
    if (!make().includes("@")) expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(chain.dials.filter((port) => port !== chain.appPort)).toEqual([]);
  });
});

describe("what was given ends with who it was given to, ten seconds later at most", () => {
  const tenant = () => chain.key.tenant_id;
  const table = () => rows(chain.engine.deps.table).entities;
  const join = (user_id: string) => {
    const created_at = chain.engine.clock.now();
    const user = { tenant_id: tenant(), user_id, email: `${user_id}@example.com`, role: "viewer" as const };
    return table()
      .user.create({ ...user, generation: 1, created_at })
      .go();
  };
  const makeKey = (key_id: string) => {
    const key = { tenant_id: tenant(), key_id, name: "k", secret_hash: key_id, scopes: ["session.read"] };
    return table()
      .apiKey.create({ ...key, created_by: "usr_key", created_at: chain.engine.clock.now() })
      .go();
  };
  const visit = async (userId: string, keyId: string | null = null) => {
    const by = { userId, generation: 1, keyId };
    const cookie = `sandbox_preview=${await chain.issue("cookie", chain.key, chain.appPort, 3_600_000, by)}`;
    const answer = await request("/", { host: chain.hostOf(chain.key), cookie });
    return Number(answer.split(" ")[1]);
  };
  const ends: [string, () => Promise<unknown>, [string, string | null]][] = [
    [
      "a member who was removed",
      () => table().user.delete({ tenant_id: tenant(), user_id: "usr_gone" }).go(),
      ["usr_gone", null],
    ],
    [
      "sign-ins that were ended",
      () => table().user.patch({ tenant_id: tenant(), user_id: "usr_out" }).set({ generation: 2 }).go(),
      ["usr_out", null],
    ],
    [
      "a key that was revoked",
      () => table().apiKey.patch({ tenant_id: tenant(), key_id: "key_1" }).set({ revoked_at: 1 }).go(),
      ["usr_key", "key_1"],
    ],
  ];

  beforeAll(async () => {
    for (const user of ["usr_gone", "usr_out", "usr_key"]) await join(user);
    for (const key of ["key_1", "key_2"]) await makeKey(key);
  });

  test.each(ends)("%s", async (_name, end, [userId, keyId]) => {
    expect(await visit(userId, keyId)).toBe(200);
    await end();
    expect(await visit(userId, keyId)).toBe(200);
    chain.engine.clock.advance(10_000);
    await chain.beat(chain.key);
    expect(await visit(userId, keyId)).toBe(403);
    const ticket = await chain.issue("ticket", chain.key, chain.appPort, 60_000, { userId, generation: 1, keyId });
    const body = `ticket=${ticket}`;
    const type = "application/x-www-form-urlencoded";
    const headers = { host: chain.hostOf(chain.key), "content-type": type, "content-length": String(body.length) };
    expect(await request("/.sandbox/open", headers, "POST", body)).toMatch(/^HTTP\/1\.1 403/);
  });

  test("keys outlive the sign-ins of who made them; who left and came back has others", async () => {
    await table().user.patch({ tenant_id: tenant(), user_id: "usr_key" }).set({ generation: 5 }).go();
    expect(await visit("usr_key", "key_2")).toBe(200);
    await table().user.delete({ tenant_id: tenant(), user_id: "usr_key" }).go();
    chain.engine.clock.advance(10_000);
    await chain.beat(chain.key);
    await join("usr_key");
    expect(await visit("usr_key", "key_2")).toBe(403);
  });

  test("one of the version before, which named nobody", async () => {
    const cookie = `sandbox_preview=${await chain.issueNameless(chain.key)}`;
    expect(await request("/", { host: chain.hostOf(chain.key), cookie })).toMatch(/^HTTP\/1\.1 403/);
  });
});

test("a ticket opens its own host, once, within its minute", async () => {
  const host = chain.hostOf(chain.key);
  const post = (ticket: string, at = host) => {
    const body = `ticket=${ticket}`;
    const type = "application/x-www-form-urlencoded";
    return request(
      "/.sandbox/open",
      { host: at, "content-type": type, "content-length": String(body.length) },
      "POST",
      body,
    );
  };
  const ticket = await chain.issue("ticket", chain.key);
  expect(await post(ticket, chain.hostOf(chain.key, 9999))).toMatch(/^HTTP\/1\.1 403/);
  const opened = await post(ticket);
  expect(opened).toMatch(/^HTTP\/1\.1 303/);
  expect(opened).toMatch(/set-cookie: sandbox_preview=[\w-]+; Path=\/; HttpOnly; Max-Age=43200; SameSite=Lax\r\n/i);
  expect(await post(ticket)).toMatch(/^HTTP\/1\.1 403/);
  expect(await post(await chain.issue("ticket", chain.key, chain.appPort, -1))).toMatch(/^HTTP\/1\.1 403/);
  expect(await post(await chain.issue("cookie", chain.key))).toMatch(/^HTTP\/1\.1 403/);
  expect(await request(`/.sandbox/open?ticket=${ticket}`, { host })).toMatch(/^HTTP\/1\.1 405/);
  expect(seen).toEqual([]);
});

test.each([
  "/.sandbox/door/file.read",
  "/.sandbox",
  "//.sandbox/door/file.read",
  "/%2esandbox/door/file.read",
  "/.%73andbox/door/file.read",
  "/x/../.sandbox/door/file.read",
  "/./.sandbox/door/file.read",
  "/.SANDBOX/door/file.read",
  "/.sandbox%2fdoor/file.read",
  "/\\.sandbox\\door/file.read",
])("the platform's own paths are no app's: %s", async (path) => {
  const answer = await request(path, { ...(await own()), "x-sandbox-control-key": "the-control-key" });
  expect(answer).toMatch(/^HTTP\/1\.1 40[04]/);
  expect({ seen, door: chain.doorAsked }).toEqual({ seen: [], door: [] });
});

test.each([
  ["absolute form", "http://169.254.169.254/latest"],
  ["another scheme", "file:///etc/passwd"],
  ["an asterisk", "*"],
])("a request line in %s goes nowhere", async (_name, target) => {
  const answer = await request(target, await own());
  expect(answer).not.toContain(secret);
  expect(seen).toEqual([]);
});

test("a path that looks like a host stays a path", async () => {
  await request("//evil.example/x", await own());
  await request("/@evil.example:80/", await own());
  expect(seen.map(({ url }) => url)).toEqual(["//evil.example/x", "/@evil.example:80/"]);
});

describe("one request is one request", () => {
  const second = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
  const smuggles: [string, (head: string) => string][] = [
    ["both lengths", (head) => `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`],
    ["two lengths", (head) => `${head}Content-Length: 0\r\nContent-Length: ${second.length}\r\n\r\n${second}`],
    ["an odd encoding", (head) => `${head}Transfer-Encoding: xchunked\r\n\r\n${second}`],
    ["a space before the colon", (head) => `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${second}`],
    ["a bare line feed", (head) => `${head}X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`],
    ["a folded line", (head) => `${head}X: a\r\n Transfer-Encoding: chunked\r\n\r\n${second}`],
  ];

  test.each(smuggles)("%s", async (_name, make) => {
    const { host, cookie } = await own();
    await raw(chain.gatewayPort, make(`POST /first HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n`), 600);
    expect(seen.map(({ url }) => url)).not.toContain("/second");
    for (const { headers } of seen) expect(Object.keys(headers)).not.toContain("transfer-encoding");
  });

  test("spelled line ends in a path or a query stay spelled", async () => {
    const { host, cookie } = await own();
    await request("/a%0d%0aX-Evil:%201?b=%0d%0aX-Evil:%201", { host, cookie });
    expect(seen).toMatchObject([
      { url: expect.stringMatching(/^\/a%0d%0aX-Evil:%201\?b=%0D%0AX-Evil%3A%201$/i) as string },
    ]);
    expect(seen[0]?.headers).not.toHaveProperty("x-evil");
  });
});

describe("other sites", () => {
  test.each(["http://evil.example", "null", "http://11111111-2222-4333-8444-555555555555--3000.localhost"])(
    "a request from %s is refused, whatever cookie the browser adds",
    async (origin) => {
      expect(await request("/", { ...(await own()), origin }, "POST")).toMatch(/^HTTP\/1\.1 403/);
      expect(seen).toEqual([]);
    },
  );

  test("one from this session's own pages passes, and the app finds it to be its own", async () => {
    const headers = await own();
    await request("/", { ...headers, origin: `http://${headers.host}` }, "POST");
    await request("/", { ...headers, origin: `http://${chain.hostOf(chain.key, 4000)}` }, "POST");
    expect(seen.map(({ headers: { origin } }) => origin)).toEqual([
      `http://localhost:${chain.appPort}`,
      "http://localhost:4000",
    ]);
  });

  test.each([
    ["no cookie", { cookie: "" }, 403],
    ["another site's page", { origin: "http://evil.example" }, 403],
    ["no origin", { origin: null }, 403],
    ["the platform's path", { path: "/.sandbox/door/x" }, 404],
  ])("a WebSocket with %s is refused before the sandbox hears of it", async (_name, change, status) => {
    const headers = await own();
    const { cookie = headers.cookie, origin = `http://${headers.host}`, path = "/" } = change as Record<string, string>;
    const lines = ["upgrade: websocket", "connection: Upgrade", "sec-websocket-version: 13", `host: ${headers.host}`];
    lines.push("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", `cookie: ${cookie}`);
    if (origin !== null) lines.push(`origin: ${origin}`);
    const before = chain.dials.length;
    const answer = await raw(chain.gatewayPort, `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, 1500);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
    expect(chain.dials).toHaveLength(before);
  });
});

test("where the gateway carries no WebSockets, the handshake is answered with 501", async () => {
  const { host, cookie } = await own();
  const answer = await request("/", { host, cookie, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" });
  expect(answer).toMatch(/^HTTP\/1\.1 501/);
  expect(answer).toContain("no WebSockets");
  expect(seen).toEqual([]);
});
