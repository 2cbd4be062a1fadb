// Looks for texts in everything that code in this sandbox can read. Reads `[{ name, text }]` from its input, every byte of `text`
// turned over (XOR 0x5a, base64), so that nothing but this process holds them as they are. Says what was found where.
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";

const input = JSON.parse(fs.readFileSync(0, "utf8"));
const turned = (text) => Buffer.from(text, "base64").map((byte) => byte ^ 0x5a);
const needles = input.needles.map(({ name, text }) => ({ name, bytes: Buffer.from(turned(text)) }));
const longest = Math.max(...needles.map(({ bytes }) => bytes.length));
const found = new Set();
const counts = { files: 0, bytes: 0, processes: 0, mapped: 0, sockets: 0, refused: 0 };

function search(bytes, where) {
  for (const { name, bytes: needle } of needles) if (bytes.includes(needle)) found.add(`${name} in ${where}`);
}

const nothing = Buffer.alloc(4 * 1024 * 1024);

/** Piece by piece, with an overlap, so that nothing hides on a border. */
function searchDescriptor(fd, where, from = 0n, until = null) {
  const piece = Buffer.alloc(4 * 1024 * 1024);
  let position = from;
  while (until === null || position < until) {
    const want =
      until === null
        ? piece.length
        : Number(until - position < BigInt(piece.length) ? until - position : BigInt(piece.length));
    const got = fs.readSync(fd, piece, 0, want, position);
    if (got === 0) return;
    counts.bytes += got;
    // Memory that was never written.
    if (got < piece.length || !piece.equals(nothing)) search(piece.subarray(0, got), where);
    if (got < want || got <= longest) return;
    position += BigInt(got - (until === null || position + BigInt(got) < until ? longest : 0));
  }
}

function searchFile(path, where = path) {
  let fd;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stats = fs.fstatSync(fd);
    if (stats.isFile()) {
      counts.files += 1;
      if (stats.size > 0 && !where.startsWith("/proc/")) searchDescriptor(fd, where);
      else search(fs.readFileSync(fd), where);
    }
  } catch {
    counts.refused += 1;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** The machine's own programs, mounted read-only from before the platform began: nothing of a run can be in them. */
const shared = /^\/(usr|lib\w*|s?bin|opt)$/;

function walk(folder) {
  let entries = [];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    counts.refused += 1;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    search(Buffer.from(path), `the name ${path}`);
    if (path === "/proc" || path === "/sys" || shared.test(path)) continue;
    if (entry.isSymbolicLink()) {
      search(Buffer.from(String(tryRead(() => fs.readlinkSync(path)))), `the link ${path}`);
    } else if (entry.isDirectory()) walk(path);
    else if (entry.isFile()) searchFile(path);
  }
}

function tryRead(run) {
  try {
    return run();
  } catch {
    return undefined;
  }
}

function searchProcess(pid) {
  counts.processes += 1;
  const at = `/proc/${pid}`;
  for (const name of [
    "environ",
    "cmdline",
    "maps",
    "smaps",
    "comm",
    "status",
    "stat",
    "mountinfo",
    "auxv",
    "limits",
    "cgroup",
    "wchan",
    "stack",
  ])
    searchFile(join(at, name));
  for (const fd of tryRead(() => fs.readdirSync(join(at, "fd"))) ?? []) {
    search(Buffer.from(String(tryRead(() => fs.readlinkSync(join(at, "fd", fd))))), `${at}/fd/${fd}`);
    const stats = tryRead(() => fs.statSync(join(at, "fd", fd)));
    if (stats?.isFile()) searchFile(join(at, "fd", fd));
  }
  for (const link of ["root", "cwd", "exe"])
    search(Buffer.from(String(tryRead(() => fs.readlinkSync(join(at, link))))), `${at}/${link}`);
  for (const place of ["root/var/lib/sandbox", "root/root", "root/run/secrets"])
    if (tryRead(() => fs.readdirSync(join(at, place)))) walk(join(at, place));
  if (Number(pid) !== process.pid) searchMemory(at);
}

function searchMemory(at) {
  const fd = tryRead(() => fs.openSync(join(at, "mem"), "r"));
  if (fd === undefined) return void (counts.refused += 1);
  for (const line of String(tryRead(() => fs.readFileSync(join(at, "maps"), "utf8")) ?? "").split("\n")) {
    const [, from, until, rights, what] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (!rights?.startsWith("r") || /^\[v(var|syscall)/.test(what)) continue;
    // Code and data of programs are files, which were looked at as such; what was written since is not.
    if (what.startsWith("/") && !rights.includes("w")) continue;
    const before = counts.bytes;
    tryRead(() => searchDescriptor(fd, `${at}/mem ${what}`, BigInt(`0x${from}`), BigInt(`0x${until}`)));
    counts.mapped += counts.bytes - before;
  }
  fs.closeSync(fd);
}

/** What whoever connects is told. */
function listen(path) {
  return new Promise((resolve) => {
    const heard = [];
    const socket = net.connect(path.startsWith("@") ? `\0${path.slice(1)}` : path);
    const end = () => (socket.destroy(), search(Buffer.concat(heard), `the socket ${path}`), resolve());
    socket.on("error", end).on("data", (data) => heard.push(data));
    socket.on(
      "connect",
      () => (
        (counts.sockets += 1),
        socket.write('{"op":"file","ask":{"call":"list","body":{"path":"","depth":1,"limit":10}}}\n')
      ),
    );
    setTimeout(end, 300);
  });
}

async function searchSockets() {
  for (const name of ["unix", "tcp", "tcp6", "udp", "netlink", "route"]) searchFile(`/proc/net/${name}`);
  const table = String(tryRead(() => fs.readFileSync("/proc/net/unix", "utf8")) ?? "");
  const named = table.split("\n").flatMap((line) => / (@\S+|\/\S+)$/.exec(line)?.[1] ?? []);
  const seen = tryRead(() => fs.readdirSync("/run/sandbox").map((name) => `/run/sandbox/${name}`)) ?? [];
  await Promise.all([...new Set([...named, ...seen])].map(listen));
}

walk("/");
for (const name of fs.readdirSync("/proc")) if (/^\d+$/.test(name)) searchProcess(name);
for (const name of ["cmdline", "version", "mounts", "keys", "key-users", "net/arp", "sysvipc/shm"])
  searchFile(`/proc/${name}`);
search(Buffer.from(JSON.stringify(process.env)), "its own environment");
await searchSockets();
console.log(`SCANNED ${JSON.stringify({ found: [...found], counts })}`);
