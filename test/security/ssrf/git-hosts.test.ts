import { createServer, type RequestListener, type Server } from "node:http";
import { closeServer, listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { httpGitHosts } from "../../../shared/adapters/git-hosts-http.ts";
import { isPublicAddress } from "../../../shared/adapters/public-address.ts";
import type { GitHost } from "../../../shared/config/env.ts";

const host = (origin: string, changes: Partial<GitHost> = {}): GitHost => ({
  name: "git",
  origin,
  allowPrivate: false,
  push: "none",
  defaultOwner: null,
  ...changes,
});

const servers: Server[] = [];
let hits = 0;

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    hits++;
    answer(request, response);
  });
  servers.push(server);
  return `http://127.0.0.1:${await listenOnLoopback(server, 0)}`;
}

beforeEach(() => {
  hits = 0;
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map(closeServer));
});

const refs = "001e# service=git-upload-pack\n00000000";
const secret = async () => "secret";
const open = (origin: string, deadlineMs?: number) =>
  httpGitHosts({ hosts: [host(origin, { allowPrivate: true })], secret, deadlineMs });

describe("addresses that a tenant may not reach", () => {
  const forbidden = [
    "127.0.0.1",
    "127.64.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "3fff::1",
    "localhost",
    "",
    "1.2.3",
    "0x7f000001",
  ];
  it.each(forbidden)("%s", (address) => expect(isPublicAddress(address)).toBe(false));

  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "140.82.112.3",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "2606:4700::1111",
    "2a01:4f8::1",
  ])("but %s is public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each(forbidden.filter((address) => address.includes(".") || address.includes(":")))(
    "a configured host that resolves to %s is not dialled",
    async (address) => {
      const asked: string[] = [];
      const hosts = httpGitHosts({
        hosts: [host("https://git.example")],
        secret,
        addressesOf: async (name) => (asked.push(name), ["8.8.8.8", address]),
      });
      expect(await hosts.inspect("https://git.example/a/b.git")).toMatchObject({
        kind: "unreachable",
        message: expect.stringContaining("public internet") as string,
      });
      expect(asked).toEqual(["git.example"]);
    },
  );
});

describe("URLs that reach no listener", () => {
  it("of 40 shapes around a trap on this machine", async () => {
    const trap = new URL(await serve((_, response) => response.end(refs)));
    const { port } = trap;
    const names = [
      "127.0.0.1",
      "localhost",
      "127.1",
      "127.0.1",
      "2130706433",
      "0x7f000001",
      "0x7f.1",
      "0177.0.0.1",
      "017700000001",
      "127.0.0.1.",
      "localhost.",
      "0",
      "0.0.0.0",
      "127.64.0.9",
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[0:0:0:0:0:0:0:1]",
      "①②⑦.⓪.⓪.①",
      "127。0。0。1",
      "LOCALHOST",
    ];
    const urls = [
      ...names.flatMap((name) => [`http://${name}:${port}/a/b.git`, `https://${name}:${port}/a/b.git`]),
      `http://git.example@127.0.0.1:${port}/a/b`,
      `http://git.example:x@127.0.0.1:${port}/a/b`,
      `http://127.0.0.1:${port}#@git.example/a/b`,
      `http://127.0.0.1:${port}?@git.example/a/b`,
      `https://git.example\\@127.0.0.1:${port}/a/b`,
      `http:127.0.0.1:${port}/a/b`,
      `//127.0.0.1:${port}/a/b`,
      `ftp://127.0.0.1:${port}/a/b`,
      `git://127.0.0.1:${port}/a/b`,
      `ssh://127.0.0.1:${port}/a/b`,
      "file:///etc/passwd",
      "gopher://127.0.0.1/a",
      "dict://127.0.0.1/a",
      "data:text/plain,x",
      "http://169.254.169.254/latest/meta-data/",
      "http://169.254.170.2/v2/credentials",
      "",
      "x",
    ];
    expect(urls.length).toBeGreaterThanOrEqual(40);
    const hosts = httpGitHosts({
      hosts: [host("https://git.example"), host("https://127.0.0.1")],
      secret,
      addressesOf: async () => ["127.0.0.1"],
      deadlineMs: 500,
    });
    for (const url of urls) {
      expect({ url, ...(await hosts.inspect(url)) }).toMatchObject({ url, kind: "unreachable" });
      expect(() => hosts.resolve(url)).toThrow();
    }
    expect(hits).toBe(0);
  });

  it("of a configured host, where they carry a user, a query or a fragment", async () => {
    const origin = await serve((_, response) => response.end(refs));
    const hosts = open(origin);
    for (const url of [`${origin.replace("//", "//u:p@")}/a/b`, `${origin}/a/b?x=1`, `${origin}/a/b#x`, origin]) {
      expect(await hosts.inspect(url)).toMatchObject({ kind: "unreachable" });
    }
    expect(hits).toBe(0);
    expect(await hosts.inspect(`${origin}/a/b`)).toMatchObject({ kind: "found" });
  });

  it("by http, unless the host is a private one", async () => {
    const origin = await serve((_, response) => response.end(refs));
    const hosts = httpGitHosts({ hosts: [host(origin)], secret });
    expect(await hosts.inspect(`${origin}/a/b`)).toMatchObject({ kind: "unreachable" });
    expect(hits).toBe(0);
  });
});

describe("a host that does not behave", () => {
  it.each([301, 302, 303, 307, 308])("redirects with %d: the trap is not reached", async (status) => {
    let trapped = 0;
    const trap = await serve((_, response) => {
      trapped++;
      response.end(refs);
    });
    const origin = await serve((request, response) =>
      response.writeHead(status, { location: `${trap}${request.url}` }).end(),
    );
    expect(await open(origin).inspect(`${origin}/a/b`)).toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("redirect") as string,
    });
    expect(trapped).toBe(0);
  });

  it("answers without end: cut at 1 MB", async () => {
    let sent = 0;
    const origin = await serve((_, response) => {
      const chunk = Buffer.alloc(64 * 1024, "0");
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on("drain", more);
      more();
    });
    expect(await open(origin).inspect(`${origin}/a/b`)).toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("over 1048576 bytes") as string,
    });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it.each<[string, RequestListener]>([
    ["never answers", () => undefined],
    ["drips its header", (_, response) => void response.socket?.write("HTTP/1.1 200 OK\r\n")],
    ["drips its body", (_, response) => void response.write("001e")],
  ])("%s: the deadline ends it", async (_what, answer) => {
    const origin = await serve(answer);
    const startedAt = performance.now();
    expect(await open(origin, 200).inspect(`${origin}/a/b`)).toMatchObject({
      kind: "unreachable",
      message: "no answer within 200 ms",
    });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it("has a resolver that never answers", async () => {
    const hosts = httpGitHosts({
      hosts: [host("https://git.example")],
      secret,
      deadlineMs: 100,
      addressesOf: () => new Promise(() => undefined),
    });
    expect(await hosts.inspect("https://git.example/a/b")).toMatchObject({
      kind: "unreachable",
      message: "no answer within 100 ms",
    });
  });

  it.each([
    [401, "missing"],
    [403, "missing"],
    [404, "missing"],
    [410, "missing"],
    [500, "unreachable"],
    [204, "unreachable"],
  ])("answers %d: %s", async (status, kind) => {
    const origin = await serve((_, response) => response.writeHead(status).end());
    expect(await open(origin).inspect(`${origin}/a/b`)).toMatchObject({ kind });
  });

  it("answers 200 with a page", async () => {
    const origin = await serve((_, response) => response.end("<!doctype html>"));
    expect(await open(origin).inspect(`${origin}/a/b`)).toMatchObject({ kind: "unreachable" });
  });

  it("is asked at the address that was checked, whatever its name resolves to by then", async () => {
    const origin = new URL(
      await serve((request, response) => response.end(request.headers.host?.startsWith("git.invalid:") ? refs : "")),
    );
    const named = `http://git.invalid:${origin.port}`;
    const answers = [["127.0.0.1"], ["203.0.113.1"]];
    const hosts = httpGitHosts({
      hosts: [host(named, { allowPrivate: true })],
      secret,
      addressesOf: async () => answers.shift() ?? [],
    });
    expect(await hosts.inspect(`${named}/a/b`)).toMatchObject({ kind: "found" });
    expect(answers).toHaveLength(1);
  });
});
