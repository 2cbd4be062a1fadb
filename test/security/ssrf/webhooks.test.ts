import { createServer, type RequestListener, type Server } from "node:http";
import { closeServer, listenOnLoopback } from "../../../infra/local/gateway/loopback.ts";
import { httpGitHosts } from "../../../shared/adapters/git-hosts-http.ts";
import { systemClock } from "../../../shared/adapters/system-clock.ts";
import { httpWebhookSender, webhookAddresses } from "../../../shared/adapters/webhook-sender-http.ts";
import type { AppError } from "../../../shared/errors.ts";
import { forbiddenUrls, innerHosts, startTrap } from "./urls.ts";

let trap: Awaited<ReturnType<typeof startTrap>>;
beforeAll(async () => {
  trap = await startTrap();
});
afterAll(() => trap.stop());

/** A resolver that sends every name here. */
const toHere = async () => ["127.0.0.1"];
const request = { headers: {}, body: "{}" };
const senderOf = (addressesOf: (name: string) => Promise<string[]>, allowPrivate = false) =>
  httpWebhookSender({ allowPrivate, addressesOf, clock: systemClock, deadlineMs: 2_000 });

describe("URLs of this machine, its networks and its metadata", () => {
  it("are 120 or more, and the trap would notice", async () => {
    expect(new Set(forbiddenUrls(trap.port)).size).toBeGreaterThanOrEqual(120);
    const before = trap.hits();
    await senderOf(toHere, true).send({ ...request, url: `http://127.0.0.1:${trap.port}/` });
    expect(trap.hits()).toBe(before + 1);
  });

  it("are refused as webhooks, when they are stored and when they are called, and none is dialled", async () => {
    const before = trap.hits();
    const addresses = webhookAddresses({ allowPrivate: false, addressesOf: toHere });
    const sender = senderOf(toHere);
    for (const url of forbiddenUrls(trap.port)) {
      const stored = await addresses.check(url).catch((error: AppError) => error.code);
      expect({ url, stored }).toEqual({ url, stored: "url_not_allowed" });
      expect({ url, ...(await sender.send({ ...request, url })) }).toMatchObject({ url, failure: "url_not_allowed" });
    }
    expect(trap.hits()).toBe(before);
  });

  it("are refused as repositories, even where one of them is configured by its name, and none is dialled", async () => {
    const before = trap.hits();
    const host = (origin: string) =>
      ({ name: "git", origin, allowPrivate: false, push: "none", defaultOwner: null }) as const;
    const origins = innerHosts.flatMap((name) => {
      const origin = `https://${name}:${trap.port}`;
      return URL.canParse(origin) ? [host(origin)] : [];
    });
    const strict = httpGitHosts({ hosts: [host("https://git.example")], secret: async () => "s", addressesOf: toHere });
    const wide = httpGitHosts({ hosts: origins, secret: async () => "s", addressesOf: toHere });
    for (const url of forbiddenUrls(trap.port)) {
      expect(() => strict.resolve(url)).toThrow();
      for (const hosts of [strict, wide])
        expect({ url, ...(await hosts.inspect(url)) }).toMatchObject({ url, kind: "unreachable" });
    }
    expect(trap.hits()).toBe(before);
  });

  it("do not include the public internet", async () => {
    const addresses = webhookAddresses({ allowPrivate: false, addressesOf: async () => ["140.82.112.3"] });
    const good = ["https://hooks.example/in?token=1", "https://hooks.example:8443/", "https://140.82.112.3/x"];
    for (const url of good) expect(await addresses.check(url)).toBe(url);
    expect(await addresses.check("HTTPS://Hooks.Example:443/a/../b")).toBe("https://hooks.example/b");
  });

  it.each([
    "http://hooks.example/",
    "https://hooks.example:22/",
    "https://hooks.example:25/",
    "https://hooks.example:80/",
  ])("and neither do %s: without TLS, or at a service that is no web server", async (url) => {
    const addresses = webhookAddresses({ allowPrivate: false, addressesOf: async () => ["140.82.112.3"] });
    await expect(addresses.check(url)).rejects.toMatchObject({ code: "url_not_allowed" });
  });
});

describe("names of inner networks", () => {
  const names = ["localhost", "x.localhost.", "metadata.google.internal", "ip-10-0-0-1.ec2.internal", "vault.corp"];
  it.each([...names, "printer.local", "nas.home.arpa", "router.lan", "db.intranet", "backend"])(
    "%s is refused whatever it resolves to",
    async (name) => {
      const asked: string[] = [];
      const addressesOf = async (host: string) => (asked.push(host), ["140.82.112.3"]);
      const addresses = webhookAddresses({ allowPrivate: false, addressesOf });
      await expect(addresses.check(`https://${name}/`)).rejects.toMatchObject({ code: "url_not_allowed" });
      const answer = await senderOf(addressesOf).send({ ...request, url: `https://${name}/` });
      expect(answer).toMatchObject({ failure: "url_not_allowed" });
      expect(asked).toEqual([]);
    },
  );
});

describe("a stage that allows private hosts", () => {
  it.each(["http://127.0.0.1:9/", "http://localhost:9/", "https://10.0.0.1/", "http://[::1]:9/", "http://box.lan/"])(
    "takes %s",
    async (url) => {
      const addresses = webhookAddresses({ allowPrivate: true, addressesOf: async () => ["192.168.1.2", "fd12::1"] });
      expect(await addresses.check(url)).toBe(url);
    },
  );

  const metadata = [
    "169.254.169.254",
    "169.254.170.2",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "100.100.100.200",
    "192.0.0.192",
  ];
  it.each([...metadata, "0.0.0.0", "[::ffff:a9fe:a9fe]", "2852039166"])("but never metadata: %s", async (host) => {
    const addresses = webhookAddresses({ allowPrivate: true, addressesOf: toHere });
    await expect(addresses.check(`http://${host}/latest/`)).rejects.toMatchObject({ code: "url_not_allowed" });
  });

  it("nor what resolves to it", async () => {
    const sender = senderOf(async () => ["127.0.0.1", "169.254.169.254"], true);
    const before = trap.hits();
    const answer = await sender.send({ ...request, url: `http://box.lan:${trap.port}/` });
    expect(answer).toMatchObject({ kind: "failed", failure: "url_not_allowed" });
    expect(trap.hits()).toBe(before);
  });
});

describe("a name that changes its mind", () => {
  it("between being stored and being called is refused when it is called", async () => {
    const before = trap.hits();
    const answers = [["140.82.112.3"], ["127.0.0.1"]];
    const addressesOf = async () => answers.shift() ?? [];
    const url = `https://a.rebind.example:${trap.port}/`;
    expect(await webhookAddresses({ allowPrivate: false, addressesOf }).check(url)).toBe(url);
    expect(await senderOf(addressesOf).send({ ...request, url })).toMatchObject({ failure: "url_not_allowed" });
    expect(trap.hits()).toBe(before);
  });

  it("is asked once for each call, and the address that was checked is the one that is dialled", async () => {
    const before = trap.hits();
    const asked: string[] = [];
    const answers = [["127.0.0.1"], ["203.0.113.1"]];
    const sender = senderOf(async (name) => (asked.push(name), answers.shift() ?? []), true);
    const answer = await sender.send({ ...request, url: `http://a.rebind.example:${trap.port}/` });
    expect(answer).toMatchObject({ kind: "answered", status: 200 });
    expect(asked).toEqual(["a.rebind.example"]);
    expect(trap.hits()).toBe(before + 1);
  });

  it.each([
    ["one bad address among good ones", ["140.82.112.3", "10.0.0.1"]],
    ["a bad IPv6 address behind a good IPv4 one", ["140.82.112.3", "fd00::1"]],
    ["something that is no address", ["hooks.example"]],
  ])("gives %s: refused", async (_what, addresses) => {
    const answer = await senderOf(async () => addresses).send({ ...request, url: "https://hooks.example/" });
    expect(answer).toMatchObject({ kind: "failed", failure: "url_not_allowed" });
  });

  it("gives none at all: unreachable", async () => {
    for (const addressesOf of [async () => [], () => Promise.reject(new Error("ENOTFOUND"))]) {
      const answer = await senderOf(addressesOf).send({ ...request, url: "https://hooks.example/" });
      expect(answer).toMatchObject({ kind: "failed", failure: "unreachable" });
      const stored = webhookAddresses({ allowPrivate: false, addressesOf }).check("https://hooks.example/");
      await expect(stored).rejects.toMatchObject({ code: "url_not_allowed" });
    }
  });
});

describe("an endpoint that does not behave", () => {
  const servers: Server[] = [];
  afterEach(() => Promise.all(servers.splice(0).map(closeServer)));
  async function serve(answer: RequestListener): Promise<string> {
    const server = createServer(answer);
    servers.push(server);
    return `http://127.0.0.1:${await listenOnLoopback(server, 0)}/`;
  }
  const quick = (deadlineMs = 300) => httpWebhookSender({ allowPrivate: true, clock: systemClock, deadlineMs });

  it("redirects over a chain to the trap: nobody follows", async () => {
    const before = trap.hits();
    const last = await serve((_, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${trap.port}/` }).end(),
    );
    const first = await serve((_, response) => response.writeHead(308, { location: last }).end());
    expect(await quick().send({ ...request, url: first })).toMatchObject({ kind: "answered", status: 308 });
    expect(trap.hits()).toBe(before);
  });

  it.each<[string, RequestListener]>([
    ["never answers", () => undefined],
    ["drips its header", (_, response) => void response.socket?.write("HTTP/1.1 200 OK\r\n")],
  ])("%s: the deadline ends it", async (_what, answer) => {
    const startedAt = performance.now();
    expect(await quick().send({ ...request, url: await serve(answer) })).toMatchObject({ failure: "timeout" });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it("sends a body without end: cut, and its status counts", async () => {
    let sent = 0;
    const url = await serve((_, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on("drain", more);
      more();
    });
    expect(await quick(5_000).send({ ...request, url })).toMatchObject({ kind: "answered", status: 200 });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it("sends headers without end: no answer", async () => {
    const url = await serve(
      (_, response) => void response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(1 << 20)}\r\n\r\n`),
    );
    expect(await quick(2_000).send({ ...request, url })).toMatchObject({ failure: "unreachable" });
  });

  it("drips its body: a second is enough", async () => {
    const url = await serve((_, response) => void response.writeHead(200).write("x"));
    const answer = await quick(10_000).send({ ...request, url });
    expect(answer).toMatchObject({ kind: "answered", status: 200 });
    expect(answer.latency_ms).toBeLessThan(5_000);
  });

  it("breaks off, or is not there: unreachable", async () => {
    const url = await serve((_, response) => response.socket?.destroy());
    expect(await quick().send({ ...request, url })).toMatchObject({ failure: "unreachable" });
    expect(await quick().send({ ...request, url: "http://127.0.0.1:9/" })).toMatchObject({ failure: "unreachable" });
  });

  it("has no certificate that holds for its name: unreachable", async () => {
    const answer = await senderOf(toHere, true).send({ ...request, url: `https://hooks.example:${trap.port}/` });
    expect(answer).toMatchObject({ failure: "unreachable" });
  });
});
