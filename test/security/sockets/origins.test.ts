import { onConnect, type ConnectEvent } from "../../../functions/kit/connect.ts";
import type { TokenVerifier } from "../../../shared/ports/tokens.ts";
import { silentLog } from "../../support/fakes.ts";

const allowed = ["https://console.example.com", "http://localhost:4100"];
const session = "2b1f8a6e-9d53-4c19-8f1e-0a5a3c7d9e42";

const entered: string[] = [];
const enter = async (connectionId: string) => void entered.push(connectionId);
const door = { enterByTicket: enter, enterByApiKey: enter, enterUser: enter, enterSandbox: enter };
const user = { tenantId: "ten_T", userId: "usr_U", generation: 1 };
const sandbox = { tenantId: "ten_T", sessionId: session, epoch: 1 };
const verifier: TokenVerifier = {
  user: async () => user,
  sandbox: async () => sandbox,
  any: async (token) => (token === "sandbox" ? { kind: "sandbox", sandbox } : { kind: "user", user }),
};

const proofs: Record<string, Record<string, string>> = {
  "a ticket": { "Sec-WebSocket-Protocol": "sandbox.v1, sandbox.token.t" },
  "an access token": { Authorization: "Bearer user" },
  "an API key": { Authorization: `Bearer sbx_${"0".repeat(52)}_${"s".repeat(43)}` },
  "a sandbox token": { Authorization: "Bearer sandbox" },
};

async function connect(headers: Record<string, string>): Promise<number> {
  const handler = onConnect(() => ({ door, verifier, allowedOrigins: allowed, log: silentLog }));
  const event = { requestContext: { connectionId: "c" }, headers };
  return (await handler(event as unknown as ConnectEvent)).statusCode;
}

beforeEach(() => void entered.splice(0));

/** Each is near to an origin that may, or to none at all. */
const hostile: [name: string, origin: string][] = [
  ["a stranger", "https://evil.test"],
  ["a sibling", "https://other.example.com"],
  ["the parent", "https://example.com"],
  ["a child", "https://x.console.example.com"],
  ["ours as a subdomain of another", "https://console.example.com.evil.test"],
  ["ours as a part of another's name", "https://evilconsole.example.com"],
  ["ours with a dash behind", "https://console.example.com-evil.test"],
  ["ours as the user of another", "https://console.example.com@evil.test"],
  ["a user before ours", "https://user@console.example.com"],
  ["ours as a path of another", "https://evil.test/https://console.example.com"],
  ["ours as a query of another", "https://evil.test?https://console.example.com"],
  ["ours as a fragment of another", "https://evil.test#https://console.example.com"],
  ["the other scheme", "http://console.example.com"],
  ["a socket's scheme", "wss://console.example.com"],
  ["a file", "file://"],
  ["an extension", "chrome-extension://console.example.com"],
  ["another port", "https://console.example.com:8443"],
  ["the default port spelled out", "https://console.example.com:443"],
  ["no port where ours has one", "http://localhost"],
  ["ours by its address", "http://127.0.0.1:4100"],
  ["upper case", "https://CONSOLE.example.com"],
  ["the scheme in upper case", "HTTPS://console.example.com"],
  ["a trailing dot", "https://console.example.com."],
  ["a trailing slash", "https://console.example.com/"],
  ["a trailing space", "https://console.example.com "],
  ["a leading space", " https://console.example.com"],
  ["a tab", "https://console.example.com\t"],
  ["a zero byte", "https://console.example.com\0"],
  ["null, as a sandboxed frame and a redirect have it", "null"],
  ["nothing", ""],
  ["any", "*"],
  ["a pattern", "https://*.example.com"],
  ["two at once, ours first", "https://console.example.com https://evil.test"],
  ["two at once, ours last", "https://evil.test, https://console.example.com"],
  ["a session's preview", `https://${session}--3000.preview.example.com`],
  ["a preview below the console", `https://${session}--3000.console.example.com`],
  ["a Cyrillic letter", "https://c\u043ensole.example.com"],
  ["the same in Punycode", "https://xn--cnsole-oof.example.com"],
  ["full-width letters", "https://\uff43onsole.example.com"],
  ["an ideographic full stop", "https://console\u3002example.com"],
  ["a soft hyphen", "https://con\u00adsole.example.com"],
  ["percent-encoding", "https://console%2eexample.com"],
  ["a backslash", "https://console.example.com\\.evil.test"],
];

it("there are at least twenty", () => expect(hostile.length).toBeGreaterThanOrEqual(20));

describe.each(Object.entries(proofs))("with %s that is good", (kind, headers) => {
  it.each(hostile)("a page of %s does not get in", async (_name, Origin) => {
    expect(await connect({ ...headers, Origin })).toBe(403);
    expect(entered).toEqual([]);
  });

  it("no Origin is no page: it gets in", async () => {
    expect(await connect(headers)).toBe(200);
    expect(entered).toEqual(["c"]);
  });

  it.each(allowed)("a page of %s gets in only with what browsers have", async (Origin) => {
    const isBrowsers = kind === "a ticket" || kind === "an access token";
    expect(await connect({ ...headers, Origin })).toBe(isBrowsers ? 200 : 403);
    expect(entered).toHaveLength(isBrowsers ? 1 : 0);
  });
});

it("the header counts however it is spelled", async () => {
  for (const name of ["origin", "ORIGIN", "oRiGiN"]) {
    expect(await connect({ ...proofs["a ticket"], [name]: "https://evil.test" })).toBe(403);
  }
});

it("with no origin allowed, no page gets in", async () => {
  const handler = onConnect(() => ({ door, verifier, allowedOrigins: [], log: silentLog }));
  for (const Origin of [...allowed, "", "null", "undefined"]) {
    const headers = { ...proofs["a ticket"], Origin };
    const answer = await handler({ requestContext: { connectionId: "c" }, headers } as unknown as ConnectEvent);
    expect(answer.statusCode).toBe(403);
  }
});
