import { createServer, type Socket } from "node:net";

/** Counts every connection to this machine, whatever would be spoken over it. */
export async function startTrap() {
  let hits = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    hits += 1;
    open.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  });
  // Dual stack where the machine has IPv6, so that `[::1]` would be noticed too.
  await new Promise<void>((resolve, reject) => {
    server.once("error", () => server.listen(0, "127.0.0.1", resolve).once("error", reject));
    server.listen({ port: 0, host: "::", ipv6Only: false }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the trap has no port");
  return {
    port: address.port,
    hits: () => hits,
    stop: () =>
      new Promise<void>((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Ways to spell this machine, its networks and its cloud's metadata. */
export const innerHosts = [
  // IPv4, plain and in every base and length that resolvers have ever taken.
  ...["127.0.0.1", "127.0.0.2", "127.64.0.9", "127.255.255.254", "0.0.0.0", "0.1.2.3", "0", "127.1", "127.0.1"],
  ...["2130706433", "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "0177.1", "0x7F.0.1"],
  ...["10.0.0.1", "10.255.255.255", "167772161", "0xa000001", "012.0.0.1", "172.16.0.1", "172.31.255.255"],
  ...["192.168.0.1", "192.168.1.1", "3232235777", "0xc0a80101", "0300.0250.1.1", "100.64.0.1", "100.127.255.254"],
  ...["192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"],
  ...["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
  // Metadata and credentials of clouds and of Lambda and ECS themselves.
  ...["169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.253", "169.254.79.129", "2852039166"],
  ...["0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518", "100.100.100.200"],
  // IPv6.
  ...["[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"],
  ...["[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[::ffff:10.0.0.1]"],
  ...[
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
  ],
  ...["[2001::7f00:1]", "[2001:db8::1]", "[100::1]", "[3fff::1]", "[fc00::1]", "[fd00::1]", "[fd00:ec2::254]"],
  ...["[fd20:ce::254]", "[fe80::1]", "[fe80::a9fe:a9fe]", "[fec0::1]", "[ff02::1]", "[ff05::2]"],
  ...["[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%25lo]", "[::1%lo]"],
  // Digits and dots that become the plain ones.
  ...["①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "⑯⑨.254.⑯⑨.254", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"],
  ...["127.0.0.1.", "127.1.", "2130706433.", "169.254.169.254.", "%31%32%37.0.0.1", "127%2e0%2e0%2e1"],
  // Names.
  ...["localhost", "LOCALHOST", "localhost.", "LocalHost.", "x.localhost", "localhost.localdomain", "ip6-localhost"],
  ...["ip-10-0-0-1.ec2.internal", "metadata.google.internal", "metadata.google.internal.", "metadata", "instance-data"],
  ...["kubernetes.default.svc", "vault.corp", "printer.local", "router.lan", "nas.home.arpa", "db.intranet", "backend"],
  // Names of the public internet that the tests' resolver sends here, as public ones really do.
  ...["127.0.0.1.nip.io", "localtest.me", "a.rebind.example", "spoofed.example"],
];

/** URLs that say one thing to one parser and another to the next, and schemes of other worlds. */
export const oddUrls = (port: number): string[] => [
  `https://hooks.example@127.0.0.1:${port}/a/b`,
  `https://hooks.example:x@127.0.0.1:${port}/a/b`,
  `https://hooks.example%40127.0.0.1:${port}/a/b`,
  `https://127.0.0.1:${port}#@hooks.example/a/b`,
  `https://127.0.0.1:${port}?@hooks.example/a/b`,
  `https://hooks.example\\@127.0.0.1:${port}/a/b`,
  `https:\\\\127.0.0.1:${port}\\a\\b`,
  `https:127.0.0.1:${port}/a/b`,
  `https:/127.0.0.1:${port}/a/b`,
  `https:///127.0.0.1:${port}/a/b`,
  `\thttps://127.0.0.1:${port}/a/b`,
  `https://127.0.0.\t1:${port}/a/b`,
  `https://127.0.0.\n1:${port}/a/b`,
  `https://user:pass@spoofed.example:${port}/a/b`,
  `https://spoofed.example:${port}/a/b#fragment`,
  `//127.0.0.1:${port}/a/b`,
  `127.0.0.1:${port}/a/b`,
  `HTTP://127.0.0.1:${port}/a/b`,
  `ftp://127.0.0.1:${port}/a/b`,
  `git://127.0.0.1:${port}/a/b`,
  `ssh://127.0.0.1:${port}/a/b`,
  `ws://127.0.0.1:${port}/a/b`,
  `wss://127.0.0.1:${port}/a/b`,
  `gopher://127.0.0.1:${port}/_x`,
  `dict://127.0.0.1:${port}/a`,
  `ldap://127.0.0.1:${port}/a`,
  `tftp://127.0.0.1:${port}/a`,
  `unix://127.0.0.1:${port}/a`,
  `jar:https://127.0.0.1:${port}!/a`,
  `view-source:https://127.0.0.1:${port}/`,
  "file:///etc/passwd",
  "data:text/plain,x",
  "javascript:fetch('https://127.0.0.1')",
  "about:blank",
  "https://",
  "https://:443/",
  "https://[::1",
  "https://256.256.256.256/",
  "https://1.2.3.4.5/",
  "x",
];

/** Every spelling of an inner host in both schemes, with the trap's port, and all odd URLs. */
export const forbiddenUrls = (port: number): string[] => [
  ...innerHosts.flatMap((host) => [`https://${host}:${port}/a/b.git`, `http://${host}:${port}/a/b.git`]),
  ...oddUrls(port),
];
