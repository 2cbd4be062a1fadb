import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Programs } from "./programs.ts";

/** Who a container's programs may be. Both are in one group, so that each can work on the other's workspace files. */
export const sandboxGroup = 1000;
const people = [
  { name: "root", uid: 0, gid: 0, home: "/root" },
  { name: "user", uid: 1000, gid: sandboxGroup, home: "/home/user" },
  { name: "supervisor", uid: 1001, gid: sandboxGroup, home: "/home/user" },
  { name: "nobody", uid: 65534, gid: 65534, home: "/nonexistent" },
];

export const homeDirectory = "/home/user";
export const temporaryDirectory = "/tmp";
export const searchPath = "/usr/local/bin:/usr/bin:/bin";

/** Builds the mounts of a container's root. Later arguments lie over earlier ones. */
export type RootFilesystem = (container: { appDirectory: string; hasNetwork: boolean }) => string[];

/** bubblewrap makes the folders above a mount point for its own user only. */
export function openFoldersAbove(path: string): string[] {
  const names = path.split("/").slice(1, -1);
  return names.flatMap((_, depth) => ["--perms", "0755", "--dir", `/${names.slice(0, depth + 1).join("/")}`]);
}

const bindReadOnly = (from: string, to: string = from) => [...openFoldersAbove(to), "--ro-bind", from, to];
const bindIfPresent = (from: string, to: string = from) => (existsSync(from) ? bindReadOnly(from, to) : []);

/** This machine's /usr and a few files of /etc, and nothing else of it. `etcDirectory` is written here. */
export async function composedRoot(etcDirectory: string, programs: Programs): Promise<RootFilesystem> {
  await writeSyntheticEtc(etcDirectory);
  const fixed = [...systemFolders(), ...systemEtc(), ...syntheticEtc(etcDirectory), ...localPrograms(programs)];
  return ({ appDirectory, hasNetwork }) => [
    ...fixed,
    ...(hasNetwork ? nameResolution() : []),
    ...application(realpathSync(appDirectory), programs.packages),
    ...freshFolders(),
  ];
}

/** The bundles and the native packages beside them, as the image has them. */
function application(directory: string, packages: Programs["packages"]): string[] {
  const entries = readdirSync(directory).flatMap((name) => bindReadOnly(join(directory, name), `/app/${name}`));
  const isComplete = existsSync(join(directory, "node_modules"));
  const beside = isComplete
    ? []
    : packages.flatMap(({ name, folder }) => bindReadOnly(folder, `/app/node_modules/${name}`));
  return ["--perms", "0755", "--tmpfs", "/app", ...entries, ...beside];
}

/** An image unpacked to a folder, as `buildah mount` gives it. It has its own /app, users and programs. */
export function imageRoot(image: string): RootFilesystem {
  const replaced = new Set(["proc", "dev", "sys", "tmp", "run", "home", "workspace", "root"]);
  const entries = readdirSync(image).filter((name) => !replaced.has(name));
  const fixed = entries.flatMap((name) => {
    const path = join(image, name);
    return lstatSync(path).isSymbolicLink()
      ? ["--symlink", readlinkSync(path), `/${name}`]
      : bindReadOnly(path, `/${name}`);
  });
  const canResolve = existsSync(join(image, "etc", "resolv.conf"));
  return ({ hasNetwork }) => [...fixed, ...(hasNetwork && canResolve ? nameResolution() : []), ...freshFolders()];
}

/** Docker's default. Memory files count as the container's memory, which no end of a process gives back. */
const sharedMemoryBytes = 64 * 1024 * 1024;
/** Only for mount points: nothing is written there. */
const mountPointFolders = ["/home", "/run"];

const freshFolders = () => [
  ...["--proc", "/proc", "--dev", "/dev"],
  ...["--perms", "1777", "--size", String(sharedMemoryBytes), "--tmpfs", "/dev/shm"],
  ...mountPointFolders.flatMap((path) => ["--perms", "0755", "--tmpfs", path]),
];

/** Goes last: in a user namespace of its own the container's user owns these folders. */
export const sealedFolders = (rootArguments: string[]) =>
  [...["/app", "/usr/local"].filter((path) => isMemoryFolder(rootArguments, path)), ...mountPointFolders, "/"].flatMap(
    (path) => ["--remount-ro", path],
  );

const isMemoryFolder = (rootArguments: string[], path: string) =>
  rootArguments.some((argument, index) => argument === "--tmpfs" && rootArguments[index + 1] === path);

function systemFolders(): string[] {
  const linksOrFolders = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"].flatMap((name) => {
    const path = `/${name}`;
    if (!existsSync(path)) return [];
    return lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : bindReadOnly(path);
  });
  return [...bindReadOnly("/usr"), ...linksOrFolders];
}

function systemEtc(): string[] {
  const certificates = ["/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust"];
  const loader = ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"];
  return [...certificates, ...loader, "/etc/alternatives", "/etc/localtime", "/etc/mime.types"].flatMap((path) =>
    bindIfPresent(path),
  );
}

const nameResolution = () => bindIfPresent("/etc/resolv.conf");

/** /usr/local is the sandbox's own: what this machine's owner put there stays unseen. */
function localPrograms({ node, npm, ripgrep }: Programs): string[] {
  const npmPrograms =
    npm === null
      ? []
      : [
          ...bindReadOnly(npm, "/opt/npm"),
          ...["--symlink", "/opt/npm/bin/npm-cli.js", "/usr/local/bin/npm"],
          ...["--symlink", "/opt/npm/bin/npx-cli.js", "/usr/local/bin/npx"],
        ];
  return [
    ...["--perms", "0755", "--tmpfs", "/usr/local"],
    ...bindReadOnly(node, "/usr/local/bin/node"),
    ...(ripgrep === null ? [] : bindReadOnly(ripgrep, "/usr/local/bin/rg")),
    ...npmPrograms,
  ];
}

const etcFiles: Record<string, string> = {
  passwd: people.map(({ name, uid, gid, home }) => `${name}:x:${uid}:${gid}::${home}:/bin/sh\n`).join(""),
  group: `root:x:0:\nuser:x:${sandboxGroup}:\nnogroup:x:65534:\n`,
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

async function writeSyntheticEtc(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await Promise.all(
    Object.entries(etcFiles).map(([name, text]) => writeFile(join(directory, name), text, { mode: 0o644 })),
  );
}

const syntheticEtc = (directory: string) =>
  Object.keys(etcFiles).flatMap((name) => bindReadOnly(join(directory, name), `/etc/${name}`));

export interface Identity {
  uid: number;
  gid: number;
}

/** `user` of a container definition. Throws for root and for a name: an image's users are not read here. */
export function identityOf(user: string | null): Identity {
  const match = /^(\d+)(?::(\d+))?$/.exec(user ?? "");
  const uid = Number(match?.[1] ?? Number.NaN);
  const gid = Number(match?.[2] ?? people.find((person) => person.uid === uid)?.gid ?? uid);
  if (!Number.isInteger(uid) || uid === 0 || gid === 0)
    throw new Error(`user ${user ?? "root"}: a container needs a uid other than 0`);
  return { uid, gid };
}
