import { randomUUID } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage } from "node:http";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import { NetworkProxy } from "../../../containers/sandbox/src/proxy/proxy.ts";
import { isPublicAddress } from "../../../shared/adapters/public-address.ts";
import { startRealToolbox, type RealToolbox } from "../../support/real-toolbox.ts";
import { bypassTries, clientHello, listedTraps, plain, raw, tunnel, type Try } from "./tries.ts";

const allowedAddress = "93.184.216.34";
const otherAddress = "93.184.216.35";

/** What each name means, at its first and at each later question. */
const names: Record<string, string[][]> = {
  "allowed.test": [[allowedAddress]],
  "listed.test": [[allowedAddress]],
  "other.test": [[otherAddress]],
  "rebind.test": [["127.0.0.1"]],
  "turning.test": [[allowedAddress], ["127.0.0.1"]],
  "private.test": [["10.0.0.5"]],
  "mixed.test": [[allowedAddress, "127.0.0.1"]],
  "metadata.test": [["169.254.169.254"]],
  "mapped.test": [["::ffff:127.0.0.1"]],
  "loop.test": [["127.0.0.1"]],
};

let toolbox: RealToolbox;
let proxy: NetworkProxy;
let http: Server;
let tls: Server;
let trap: Server;
let abstract: Server;
const abstractName = `sandbox-trap-${randomUUID()}`;
const datagrams = createSocket("udp4");
let trapPort = 0;
/** What got further than it may. */
let through: string[] = [];
let served: IncomingMessage["headers"][] = [];
let heard = "";
const asked = new Map<string, number>();

const listen = (server: Server, on: { port?: number; path?: string }) =>
  new Promise<void>((done) => server.listen(on.path === undefined ? { port: 0, host: "127.0.0.1" } : on, done));
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** Public addresses are servers of this machine: one that may be reached on two ports, and for all else the trap. */
function dialled(address: string, port: number) {
  if (address === allowedAddress && port === 80) return connect(portOf(http), "127.0.0.1");
  if (address === allowedAddress && (port === 443 || port === 8443)) return connect(portOf(tls), "127.0.0.1");
  through.push(`dialled ${address}:${port}`);
  return connect(trapPort, "127.0.0.1");
}

beforeAll(async () => {
  http = createHttp((request, response) => {
    served.push(request.headers);
    if (request.url === "/away") response.writeHead(302, { location: "http://other.test/" });
    request.resume().on("end", () => response.end("hello"));
  });
  tls = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      heard += data.toString("latin1");
      socket.end("TLS answer");
    });
  });
  trap = createServer((socket) => {
    socket.on("error", () => undefined);
    through.push("the trap was reached");
    socket.end("reached");
  });
  abstract = createServer((socket) => {
    through.push("the abstract socket was reached");
    socket.end("reached");
  });
  await Promise.all([
    listen(http, {}),
    listen(tls, {}),
    listen(trap, {}),
    listen(abstract, { path: `\0${abstractName}` }),
  ]);
  trapPort = portOf(trap);
  datagrams.on("message", () => through.push("a datagram"));
  await new Promise<void>((done) => datagrams.bind(trapPort, "127.0.0.1", done));
  toolbox = await startRealToolbox();
  proxy = new NetworkProxy({
    addressesOf: async (host) => {
      const answers = names[host];
      if (!answers) throw new Error("ENOTFOUND");
      const at = asked.get(host) ?? 0;
      asked.set(host, at + 1);
      return answers[Math.min(at, answers.length - 1)] ?? [];
    },
    mayReach: isPublicAddress,
    connect: dialled,
  });
  const socket = join(toolbox.sockets, "proxy.sock");
  await proxy.listen(socket);
  chmodSync(socket, 0o666);
});

afterAll(async () => {
  proxy.close();
  await toolbox.stop();
  for (const server of [http, tls, trap, abstract]) server.close();
  datagrams.close();
});

beforeEach(() => {
  through = [];
  served = [];
  heard = "";
  asked.clear();
});

const allow = ["allowed.test", "listed.test:8443", "turning.test", ...listedTraps];

/** Makes them all from inside the toolbox, at the same time. */
async function make(tries: Try[]): Promise<string[]> {
  writeFileSync(join(toolbox.workspace, "tries.json"), JSON.stringify(tries));
  const { output } = await toolbox.run("node /app/network-tries.mjs /workspace/tries.json");
  return JSON.parse(output) as string[];
}

const hello = (name: string) => clientHello([name]);

describe("allowlist", () => {
  beforeEach(() => proxy.setRules({ policy: "allowlist", allow }));

  it("lets through what it lists, so that the refusals below mean something", async () => {
    const said = await make([
      tunnel("allowed.test:443", hello("allowed.test")),
      tunnel("ALLOWED.test.:443", hello("Allowed.Test")),
      tunnel("listed.test:8443", hello("listed.test")),
      tunnel("listed.test:8443", "a protocol of its own"),
      plain("plain", "GET http://allowed.test/x HTTP/1.1", "Host: other.test", "X-Mine: 1"),
    ]);
    for (const answer of said.slice(0, 4)) expect(answer).toMatch(/^connected HTTP\/1.1 200 .*TLS answer$/s);
    expect(said[4]).toMatch(/200 OK.*hello/s);
    expect(served).toMatchObject([{ host: "allowed.test", "x-mine": "1" }]);
    expect(heard).toContain("a protocol of its own");
    expect(through).toEqual([]);
  });

  it("lets none of the ways around through", async () => {
    const tries = bypassTries({ port: trapPort, abstract: abstractName });
    const said = await make(tries);
    const answered = tries.map(({ name }, at) => `${name}: ${said[at]}`);
    expect(answered.filter((line) => /reached|hello|TLS answer|answered/.test(line))).toEqual([]);
    expect(through).toEqual([]);
    expect(heard).toBe("");
    expect(served.filter(({ host }) => host !== "allowed.test")).toEqual([]);
    process.stdout.write(`network policy: ${tries.length} ways around, 0 through\n`);
  });

  it("asks the resolver for nothing that is not listed: a name is a message too", async () => {
    await make(bypassTries({ port: trapPort, abstract: abstractName }));
    expect([...asked.keys()].filter((name) => !allow.some((entry) => entry.split(":")[0] === name))).toEqual([]);
  });

  it("dials the address that it checked, and checks again each time", async () => {
    const [first] = await make([tunnel("turning.test:443", hello("turning.test"))]);
    expect(first).toContain("TLS answer");
    const [second] = await make([tunnel("turning.test:443", hello("turning.test"))]);
    expect(second).toMatch(/403 .*turning\.test is not on the public internet/s);
    expect(through).toEqual([]);
  });

  it("judges a redirect, and the next request of a connection, like any other", async () => {
    const { output } = await toolbox.run("curl -sS -L -o - -w '%{http_code}' http://allowed.test/away");
    expect(output).toContain("network policy allowlist: other.test:80: it is not in sbx_config.network.allow");
    const [said] = await make([
      raw(
        "two requests",
        "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\nGET http://other.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
      ),
    ]);
    expect(said).toMatch(/200 OK.*403 /s);
    expect(through).toEqual([]);
  });

  it("hides nothing behind a body: what follows a request is part of it, or judged", async () => {
    const hidden = "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n";
    await make([
      raw(
        "a body of a GET",
        `GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      ),
    ]);
    expect(served.map(({ host }) => host)).toEqual(["allowed.test"]);
  });

  it("is what Node's own fetch goes by", async () => {
    const fetching = (url: string) =>
      toolbox.run(
        `node -e 'fetch("${url}").then(async (r) => console.log(r.status, await r.text()), () => console.log("refused"))'`,
      );
    expect((await fetching("http://allowed.test/")).output).toBe("200 hello");
    expect((await fetching("http://other.test/")).output).toBe("refused");
    expect(through).toEqual([]);
  });

  it("reads what a tunnel to port 80 carries, request by request", async () => {
    const [good, bad] = await make([
      tunnel("allowed.test:80", "GET /a HTTP/1.1\r\nHost: allowed.test\r\n\r\n"),
      tunnel("allowed.test:80", "GET /b HTTP/1.1\r\nHost: other.test\r\n\r\n"),
    ]);
    expect(good).toMatch(/200 OK.*hello/s);
    expect(bad).toMatch(/403 .*allowed\.test:80: the request is for another host/s);
    expect(served.map(({ host }) => host)).toEqual(["allowed.test"]);
  });

  it("says who refused: to curl and to git", async () => {
    const curl = await toolbox.run("curl -sS https://other.test/");
    expect(curl.output).toMatch(/403/);
    const plainly = await toolbox.run("curl -sS http://other.test/");
    expect(plainly.output).toBe(
      "sandbox: network policy allowlist: other.test:80: it is not in sbx_config.network.allow",
    );
    const git = await toolbox.run("git ls-remote https://other.test/a.git");
    expect(git.output).toMatch(/403/);
    expect(through).toEqual([]);
  });

  it("closes what is open when the rules change", async () => {
    const running = toolbox.run(
      `exec 3<>/dev/tcp/127.0.0.1/\${HTTP_PROXY##*:}; printf 'CONNECT listed.test:8443 HTTP/1.1\\r\\n\\r\\n' >&3; head -1 <&3; cat <&3 >/dev/null; echo closed`,
    );
    await new Promise((done) => setTimeout(done, 300));
    proxy.setRules({ policy: "allowlist", allow: ["allowed.test"] });
    expect((await running).output).toMatch(/200 .*closed/s);
  });
});

it("none lets nothing through, and says why", async () => {
  proxy.setRules({ policy: "none", allow: [] });
  const said = await make([
    tunnel("allowed.test:443", hello("allowed.test")),
    plain("", "GET http://allowed.test/ HTTP/1.1", "Host: allowed.test"),
  ]);
  for (const answer of said) expect(answer).toContain("network policy none: this sandbox has no network");
  expect([...asked]).toEqual([]);
  expect(through).toEqual([]);
});

it("open lets every public host through by the proxy, and this machine's and the cloud's own never", async () => {
  proxy.setRules({ policy: "open", allow: [] });
  const [other, ...refused] = await make([
    tunnel("other.test:22"),
    ...listedTraps.map((name) => tunnel(`${name}:443`)),
    ...[`127.0.0.1:${trapPort}`, "169.254.169.254:80", "[::1]:443", "[::ffff:127.0.0.1]:443"].map((to) => tunnel(to)),
  ]);
  expect(other).toContain("reached");
  expect(through).toEqual([`dialled ${otherAddress}:22`, "the trap was reached"]);
  for (const answer of refused) expect(answer).toMatch(/^connected HTTP\/1.1 403 .*is not on the public internet/s);
});
