/** One connection that code in a sandbox tries to make. */
export interface Try {
  name: string;
  kind: "proxy" | "unix" | "tcp" | "udp" | "lookup";
  host?: string;
  port?: number;
  path?: string;
  /** What is said, piece by piece, in base64. */
  pieces?: string[];
}

const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");
const lines = (...text: string[]) => `${text.join("\r\n")}\r\n\r\n`;

const connectLine = (target: string) => lines(`CONNECT ${target} HTTP/1.1`, `Host: ${target}`);

export const tunnel = (target: string, ...then: (string | Buffer)[]): Try => ({
  name: `CONNECT ${target}`,
  kind: "proxy",
  pieces: [base64(connectLine(target)), ...then.map(base64)],
});

export const plain = (name: string, ...text: string[]): Try => ({
  name,
  kind: "proxy",
  pieces: [base64(lines(...text))],
});

export const raw = (name: string, text: string): Try => ({ name, kind: "proxy", pieces: [base64(text)] });

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const sized = (bytes: Buffer) => Buffer.concat([u16(bytes.length), bytes]);

function extension(name: string): Buffer {
  const entry = Buffer.concat([Buffer.from([0]), sized(Buffer.from(name))]);
  return Buffer.concat([u16(0), sized(sized(entry))]);
}

/** A TLS ClientHello with these server names, in one record or in pieces of `split` bytes each in its own record. */
export function clientHello(names: string[], split?: number): Buffer {
  const extensions = Buffer.concat(names.map(extension));
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    sized(Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    sized(extensions),
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  const size = split ?? message.length;
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size)
    records.push(Buffer.concat([Buffer.from([0x16, 3, 1]), sized(message.subarray(at, at + size))]));
  return Buffer.concat(records);
}

/** Names that the allow-list of the tests has, though nothing may be reached under them. */
export const listedTraps = ["rebind.test", "private.test", "mixed.test", "metadata.test", "mapped.test", "loop.test"];

/** Host and port of something that answers on this machine. */
export function bypassTries(trap: { port: number; abstract: string }): Try[] {
  const { port } = trap;
  const targets = [
    ...["other.test:443", "allowed.test:22", "allowed.test:8443", "sub.allowed.test:443"],
    ...["allowed.test.other.test:443", "notallowed.test:443", "allowed.test-other.test:443", "test:443", "*.test:443"],
    ...["93.184.216.34:443", "93.184.216.35:443", `127.0.0.1:${port}`, `localhost:${port}`, "localhost:443"],
    ...[
      `[::1]:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      "[::ffff:7f00:1]:443",
      `2130706433:${port}`,
      `0177.0.0.1:${port}`,
    ],
    ...[`0x7f000001:${port}`, `127.1:${port}`, `0:${port}`, `0.0.0.0:${port}`, `127。0。0。1:${port}`],
    ...["169.254.169.254:80", "169.254.169.254:443", "169.254.170.2:80", "2852039166:443", "[fd00:ec2::254]:80"],
    ...["100.100.100.200:443", "10.0.0.1:443", "192.168.0.1:443", "1.1.1.1:443", "8.8.8.8:53", "dns.google:443"],
    ...["user@allowed.test:443", "allowed.test@other.test:443", "allowed.test:443@other.test:443"],
    ...[
      "other.test:443#allowed.test",
      "other.test:443/allowed.test",
      "allowed.test%2eother.test:443",
      "allowed.test..:443",
    ],
    ...["allowed.test:0", "allowed.test:443443", "allowed.test:-443", "allowed.test", ":443", "allowed.test:443:22"],
  ];
  const hello = clientHello(["allowed.test"]);
  return [
    ...targets.map((target) => tunnel(target, hello)),
    ...listedTraps.map((name) => tunnel(`${name}:443`, clientHello([name]))),
    ...listedTraps.map((name) => plain(`plain: ${name}`, `GET http://${name}/ HTTP/1.1`, `Host: ${name}`)),
    { ...tunnel("allowed.test:443", clientHello(["other.test"])), name: "TLS for another host" },
    { ...tunnel("allowed.test:443", clientHello([])), name: "TLS for no host" },
    { ...tunnel("allowed.test:443", clientHello(["allowed.test", "other.test"])), name: "TLS for two hosts" },
    { ...tunnel("allowed.test:443", clientHello(["allowed.test"], 40)), name: "TLS in pieces of a message" },
    { ...tunnel("allowed.test:443", "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"), name: "HTTP where TLS should be" },
    { ...tunnel("allowed.test:80", clientHello(["allowed.test"])), name: "TLS where HTTP should be" },
    { ...tunnel("allowed.test:80", "SSH-2.0-knock\r\n"), name: "SSH where HTTP should be" },
    { ...tunnel("allowed.test:443", "SSH-2.0-knock\r\n"), name: "SSH where TLS should be" },
    { ...tunnel("listed.test:8443", clientHello(["other.test"])), name: "TLS for another host on a listed port" },
    plain("another host, the Host header of an allowed one", "GET http://other.test/ HTTP/1.1", "Host: allowed.test"),
    plain("an allowed name as the user", "GET http://allowed.test@other.test/ HTTP/1.1", "Host: allowed.test"),
    plain("an allowed name before a backslash", "GET http://allowed.test\\@other.test/ HTTP/1.1", "Host: allowed.test"),
    plain("an allowed name with another port", "GET http://allowed.test:22/ HTTP/1.1", "Host: allowed.test"),
    plain("https as a plain request", "GET https://allowed.test/ HTTP/1.1", "Host: allowed.test"),
    plain("no whole URL", "GET / HTTP/1.1", "Host: other.test"),
    plain("another scheme", "GET ftp://allowed.test/ HTTP/1.1", "Host: allowed.test"),
    plain("a file", "GET file:///etc/passwd HTTP/1.1", "Host: allowed.test"),
    plain("metadata by name", "GET http://metadata.test/latest/meta-data/ HTTP/1.1", "Host: metadata.test"),
    plain("metadata by address", "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1", "Host: allowed.test"),
    plain("the task's metadata", "GET http://169.254.170.2/v4/ HTTP/1.1", "Host: allowed.test"),
    plain("this machine", `GET http://127.0.0.1:${port}/ HTTP/1.1`, "Host: allowed.test"),
    plain("a name of this machine", `GET http://loop.test/ HTTP/1.1`, "Host: allowed.test"),
    raw(
      "two lengths",
      "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
    ),
    raw("a line break in a target", "CONNECT allowed.test:443\nHost: other.test:443 HTTP/1.1\r\n\r\n"),
    raw("SOCKS", "\x05\x01\x00"),
    {
      name: "the proxy's own socket",
      kind: "unix",
      path: "/run/sandbox/proxy.sock",
      pieces: [base64(connectLine("other.test:443"))],
    },
    { name: "an abstract socket of this machine", kind: "unix", path: `\0${trap.abstract}` },
    ...["127.0.0.1", "127.64.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"].map((host): Try => ({
      name: `without the proxy: ${host}`,
      kind: "tcp",
      host,
      port,
    })),
    ...["93.184.216.34", "169.254.169.254", "169.254.170.2", "1.1.1.1", "10.0.0.1", "192.168.0.1"].map((host): Try => ({
      name: `without the proxy: ${host}`,
      kind: "tcp",
      host,
      port: 80,
    })),
    ...["1.1.1.1", "8.8.8.8", "127.0.0.53", "169.254.169.253", "2606:4700:4700::1111"].map((host): Try => ({
      name: `UDP to ${host}`,
      kind: "udp",
      host,
      port: 53,
    })),
    { name: "UDP to this machine", kind: "udp", host: "127.0.0.1", port },
    ...["allowed.test", "example.com", "exfiltrated-data.other.test"].map((host): Try => ({
      name: `the name ${host}`,
      kind: "lookup",
      host,
    })),
  ];
}
