import { type Identity, openFoldersAbove, sealedFolders } from "./root-filesystem.ts";

export interface Mount {
  from: string;
  to: string;
  readOnly: boolean;
}

export interface ContainerSpec {
  rootArguments: string[];
  mounts: Mount[];
  environment: Record<string, string>;
  command: string[];
  identity: Identity;
  hasNetwork: boolean;
  workingDirectory: string;
  /** In front of the command: limits where no cgroup holds them. */
  limitCommand: string[];
  /** Written to before the program becomes the container. */
  joinFiles: string[];
}

/** Numbers of the descriptors that bubblewrap reads its arguments and filter from, and writes its answer to. */
export const descriptors = { arguments: 3, information: 4, filter: 5 } as const;

export interface Launch {
  program: string;
  argv: string[];
  /** Go through a descriptor: a command line is readable by everyone, and holds the environment. */
  hidden: Buffer;
}

/**
 * Closes what this process has open without the mark for it (its database's files are): bubblewrap would hand them on to
 * people's code. Then joins the control groups before anything of the container exists, and becomes the rest of the line.
 */
const prepare =
  'for each in /proc/self/fd/*; do each=${each##*/}; [ "$each" -gt 5 ] && eval "exec $each>&-"; done; ' +
  'count=$1; shift; while [ "$count" -gt 0 ]; do echo 0 > "$1" || exit 125; shift; count=$((count - 1)); done; exec "$@"';

/**
 * `privileged`: started by root. Then bubblewrap stays in the host's user namespace and the program gets its own real
 * uid, so that two containers of one task are two users to the kernel. Otherwise every container is this machine's user
 * in a user namespace of its own, and only the mounts and the pid namespaces keep them apart.
 */
export function bubblewrapLaunch(spec: ContainerSpec, privileged: boolean, hasFilter: boolean): Launch {
  const { uid, gid } = spec.identity;
  const identity = privileged
    ? ["--cap-drop", "ALL", ...["SETUID", "SETGID", "SETPCAP"].flatMap((name) => ["--cap-add", `CAP_${name}`])]
    : ["--unshare-user", "--uid", String(uid), "--gid", String(gid), "--cap-drop", "ALL"];
  const options = [
    ...["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"],
    ...(spec.hasNetwork ? [] : ["--unshare-net"]),
    ...["--die-with-parent", "--new-session"],
    ...identity,
    ...spec.rootArguments,
    ...spec.mounts.flatMap(({ from, to, readOnly }) => [
      ...openFoldersAbove(to),
      readOnly ? "--ro-bind" : "--bind",
      from,
      to,
    ]),
    ...sealedFolders(spec.rootArguments),
    ...["--chdir", spec.workingDirectory, "--clearenv"],
    ...Object.entries(spec.environment).flatMap(([name, value]) => ["--setenv", name, value]),
    ...["--info-fd", String(descriptors.information)],
    ...(hasFilter ? ["--seccomp", String(descriptors.filter)] : []),
  ];
  const dropped = privileged ? becomeUser(spec.identity) : [];
  const line = [
    "bwrap",
    "--args",
    String(descriptors.arguments),
    "--",
    ...spec.limitCommand,
    ...dropped,
    ...spec.command,
  ];
  const [program = "", ...argv] = prepared(spec.joinFiles, line);
  return { program, argv, hidden: Buffer.from(options.map((option) => `${option}\0`).join("")) };
}

/** In bash: other shells close descriptors of one digit only. */
const prepared = (files: string[], line: string[]) => [
  "bash",
  "-c",
  prepare,
  "bash",
  String(files.length),
  ...files,
  ...line,
];

const becomeUser = ({ uid, gid }: Identity) => [
  ...["setpriv", "--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
  ...["--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all", "--"],
];
