import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Duplex, Readable } from "node:stream";
import { bubblewrapLaunch, type ContainerSpec, descriptors, type Launch } from "./bubblewrap.ts";

/** One run of one container: from its start to the end of its last process. */
export interface ContainerRun {
  /** Resolves when the program runs, or with the reason why it never will. */
  started: Promise<{ failure: string | null }>;
  /** Every process of it is gone. The code is 128 and the signal where a signal ended it. */
  ended: Promise<ContainerEnd>;
  terminate(): Promise<void>;
  kill(): void;
}

export interface ContainerEnd {
  exitCode: number;
  /** What the launcher itself said where the program never began. */
  complaint: string | null;
}

export type OnLine = (line: string, stream: "stdout" | "stderr") => void;

/** The environment of bubblewrap itself, which shows inside as that of process 1: nothing of this machine's. */
const launchEnvironment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" };
const maxLineChars = 8_192;

export interface Bubblewrap {
  privileged: boolean;
  filter: Buffer | null;
}

export function runIsolated(spec: ContainerSpec, { privileged, filter }: Bubblewrap, onLine: OnLine): ContainerRun {
  const launch = bubblewrapLaunch(spec, privileged, filter !== null);
  const child = spawn(launch.program, launch.argv, {
    env: launchEnvironment,
    cwd: "/",
    // Its own process group, which what it starts leaves last of all.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe"],
  });
  const complaint = readLines(child, onLine);
  feed(child, launch, filter);
  const ended = endOf(child, complaint);
  const initPid = readInitPid(child.stdio[descriptors.information] as Readable);
  child.once("exit", (_code, killedBy) => killedBy !== null && endOrphans(child, initPid));
  const started = initPid.then(async (pid) =>
    pid === null ? { failure: (await ended).complaint ?? "bubblewrap did not start" } : { failure: null },
  );
  return {
    started,
    ended,
    // The signal must reach the program: process 1 is bubblewrap's reaper, which ignores it. Without one nothing has begun.
    terminate: async () => {
      const pid = await initPid;
      if (pid === null || child.exitCode !== null) return;
      const program = await firstChildOf(pid);
      if (program === null) signal(pid, "SIGKILL");
      else signal(program, "SIGTERM");
    },
    // With process 1 the kernel ends all the others, and bubblewrap outside ends after them.
    kill: () => {
      void initPid.then((pid) =>
        pid === null || child.exitCode !== null ? child.kill("SIGKILL") : signal(pid, "SIGKILL"),
      );
    },
  };
}

/** No isolation at all: a process group of this machine. */
export function runUnisolated(spec: ContainerSpec, onLine: OnLine): ContainerRun {
  const onHost = hostPaths(spec);
  const [program = "", ...argv] = spec.command.map(onHost);
  const environment = Object.fromEntries(
    Object.entries(spec.environment).map(([name, value]) => [name, onHost(value)]),
  );
  const child = spawn(program, argv, {
    env: { ...environment, PATH: launchEnvironment.PATH },
    cwd: onHost(spec.workingDirectory),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const complaint = readLines(child, onLine);
  const group = child.pid === undefined ? null : -child.pid;
  const started = new Promise<{ failure: string | null }>((resolve) => {
    child.once("spawn", () => resolve({ failure: null }));
    child.once("error", (error) => resolve({ failure: error.message }));
  });
  const ended = endOf(child, complaint).then((outcome) => {
    if (group !== null) signal(group, "SIGKILL");
    return outcome;
  });
  return {
    started,
    ended,
    terminate: async () => void (group !== null && signal(group, "SIGTERM")),
    kill: () => void (group !== null && signal(group, "SIGKILL")),
  };
}

/** A path that a mount would give is replaced by where it is on this machine. */
function hostPaths({ mounts }: ContainerSpec): (value: string) => string {
  const longestFirst = mounts.toSorted((left, right) => right.to.length - left.to.length);
  return (value) => {
    const mount = longestFirst.find(({ to }) => value === to || value.startsWith(`${to}/`));
    return mount === undefined ? value : mount.from + value.slice(mount.to.length);
  };
}

/** Passes the lines on; answers with the last words of bubblewrap or of what it started the program with. */
function readLines(child: ChildProcess, onLine: OnLine): () => string | null {
  let complaint: string | null = null;
  for (const stream of ["stdout", "stderr"] as const) {
    const input = child[stream];
    if (input === null) continue;
    createInterface({ input }).on("line", (line) => {
      if (stream === "stderr" && /^(bwrap|setpriv|prlimit|sh|bash): /.test(line))
        complaint = line.slice(0, maxLineChars);
      onLine(line.slice(0, maxLineChars), stream);
    });
  }
  return () => complaint;
}

/** A container that ends before it read its arguments breaks these pipes: its exit code tells why. */
function feed(child: ChildProcess, launch: Launch, filter: Buffer | null): void {
  const write = (descriptor: number, bytes: Buffer) => {
    const pipe = child.stdio[descriptor] as Duplex;
    pipe.on("error", () => undefined);
    pipe.end(bytes);
  };
  write(descriptors.arguments, launch.hidden);
  write(descriptors.filter, filter ?? Buffer.alloc(0));
}

function endOf(child: ChildProcess, complaint: () => string | null): Promise<ContainerEnd> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ exitCode: 127, complaint: error.message }));
    child.once("close", (code, name) => {
      resolve({ exitCode: code ?? 128 + (name === "SIGTERM" ? 15 : 9), complaint: complaint() });
    });
  });
}

/** bubblewrap tells the pid of process 1 of the new namespace before it lets the program begin; null: it never got there. */
async function readInitPid(information: Readable): Promise<number | null> {
  let text = "";
  try {
    for await (const chunk of information) text += String(chunk);
    const { "child-pid": pid } = JSON.parse(text) as { "child-pid"?: number };
    return pid ?? null;
  } catch {
    return null;
  }
}

/**
 * bubblewrap binds what it starts to itself only after it has told its pid: until then its child outlives it, and waits for
 * ever for a word from it. That child is in its process group, or is process 1 of the container.
 */
function endOrphans({ pid }: ChildProcess, initPid: Promise<number | null>): void {
  if (pid !== undefined) signal(-pid, "SIGKILL");
  void initPid.then((init) => init !== null && signal(init, "SIGKILL"));
}

async function firstChildOf(pid: number): Promise<number | null> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return Number(list.split(" ")[0]) || null;
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself in between.
  }
}
