import { isOwnAddress } from "../../../containers/sandbox/src/proxy/own-addresses.ts";
import { judge, mayCarry, requestTarget, tunnelTarget } from "../../../containers/sandbox/src/proxy/rules.decisions.ts";
import { readHost } from "../../../shared/protocol/network.ts";
import { SbxConfig } from "../../../shared/protocol/session.ts";

describe("a host of an allow-list", () => {
  it.each([
    ["example.com", "example.com", null],
    ["EXAMPLE.com.", "example.com", null],
    ["example.com:8443", "example.com", 8443],
    ["bücher.example", "xn--bcher-kva.example", null],
    ["192.0.2.1", "192.0.2.1", null],
    ["[2001:DB8::1]:443", "[2001:db8::1]", 443],
    ["0x7f.1", "127.0.0.1", null],
    ["2130706433", "127.0.0.1", null],
    ["_service.example.com", "_service.example.com", null],
  ])("%s", (text, host, port) => expect(readHost(text)).toEqual({ host, port }));

  it.each(
    ["", ".", "*.example.com", "example.com/path", "https://example.com", "user@example.com", "example.com:0"].concat([
      "example.com:65536",
      "example.com:x",
      "a b",
      "example.com..",
      "-example.com",
      "[::1",
      "::1",
      "a%2eb",
      "x?y",
      "x#y",
    ]),
  )("%j is none", (text) => expect(readHost(text)).toBeNull());
});

const allowlist = (...allow: string[]) => ({ policy: "allowlist" as const, allow });

it("is exact, and a port that is not named is 443 or 80", () => {
  const of = (host: string, port: number, kind: "tunnel" | "request" = "tunnel") =>
    judge(allowlist("example.com", "Other.com:8443"), { host, port }, kind).kind;
  expect([of("example.com", 443), of("other.com", 8443), of("example.com", 80, "request")]).toEqual(
    Array(3).fill("allowed"),
  );
  expect([of("www.example.com", 443), of("example.com", 22), of("other.com", 443), of("com", 443)]).toEqual(
    Array(4).fill("refused"),
  );
  expect(of("example.com", 443, "request")).toBe("refused");
});

it("TLS names the host that was asked for", () => {
  const target = { host: "example.com", port: 443 };
  expect(mayCarry("tls", target, { isTls: true, serverName: "EXAMPLE.com" })).toBe(true);
  expect(mayCarry("tls", target, { isTls: true, serverName: "other.com" })).toBe(false);
  expect(mayCarry("tls", target, { isTls: true, serverName: null })).toBe(false);
  expect(mayCarry("tls", { host: "192.0.2.1", port: 443 }, { isTls: true, serverName: null })).toBe(true);
  expect(mayCarry("tls", target, { isTls: false, serverName: null })).toBe(false);
});

it("reads targets", () => {
  expect(tunnelTarget("example.com:443")).toEqual({ host: "example.com", port: 443 });
  expect(tunnelTarget("example.com")).toBeNull();
  expect(requestTarget("HTTP://Example.com:81/a?b#c")).toEqual({ host: "example.com", port: 81, path: "/a?b" });
  expect(requestTarget("http://example.com?b")).toEqual({ host: "example.com", port: 80, path: "/?b" });
  expect(requestTarget("/a")).toBeNull();
});

describe("sbx_config", () => {
  const valid = (config: unknown) => SbxConfig.safeParse(config).success;

  it("takes what the platform knows, and keeps what it does not", () => {
    const config = {
      network: { policy: "allowlist", allow: ["registry.example.org", "db.example.com:5432"] },
      setup: ["npm ci"],
      environment: { NODE_ENV: "test", TOKEN: { secret: "NPM_TOKEN" } },
      size: "large",
      image: "python",
      mine: { x: 1 },
    };
    expect(SbxConfig.parse(config)).toEqual(config);
  });

  it.each(
    [
      "PATH",
      "LD_PRELOAD",
      "HTTPS_PROXY",
      "no_proxy",
      "BASH_ENV",
      "IFS",
      "SANDBOX_X",
      "ECS_CONTAINER_METADATA_URI_V4",
    ].concat(["1A", "A-B", "A=B", "", "A B", "NODE_USE_ENV_PROXY", "PROMPT_COMMAND", "DYLD_INSERT_LIBRARIES"]),
  )("refuses the variable %j", (name) => expect(valid({ environment: { [name]: "x" } })).toBe(false));

  it.each([
    { environment: { A: "x".repeat(4097) } },
    { environment: { A: "a\0b" } },
    { environment: { A: 1 } },
    { environment: { A: { secret: "a b" } } },
    { environment: { A: { secret: "X", more: 1 } } },
    { environment: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`A${at}`, "x"])) },
    { setup: Array(21).fill("true") },
    { setup: [""] },
    { setup: Array(5).fill("x".repeat(4000)) },
    { setup: "npm ci" },
    { size: "huge" },
    { image: "" },
    { network: { policy: "allowlist" } },
    { network: { policy: "open", allow: ["x.com"] } },
    { network: { policy: "allowlist", allow: ["*.example.com"] } },
    { network: { policy: "allowlist", allow: ["https://example.com"] } },
  ])("refuses %j", (config) => expect(valid(config)).toBe(false));
});

it("this machine's own addresses are its own, also those that are public", () => {
  const interfaces = {
    eth0: [{ address: "93.184.216.34" }, { address: "2606:4700::1" }],
    lo: [{ address: "127.0.0.1" }],
  };
  const isOwn = (address: string) => isOwnAddress(address, interfaces);
  expect(["93.184.216.34", "2606:4700:0:0::1", "2606:4700::0001", "127.0.0.1"].map(isOwn)).toEqual(Array(4).fill(true));
  expect(["93.184.216.35", "2606:4700::2", "nonsense"].map(isOwn)).toEqual(Array(3).fill(false));
});
