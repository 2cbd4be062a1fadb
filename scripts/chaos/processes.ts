import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** A program of a sandbox, as this machine sees it. */
export interface SandboxProcess {
  pid: number;
  program: "supervisor" | "toolbox" | "bwrap";
  taskId: string;
}

/** Empty where the process has ended meanwhile. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function parentOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

function programOf(pid: number): SandboxProcess["program"] | null {
  const command = textOf(`/proc/${pid}/cmdline`).split("\0");
  if (command[0]?.endsWith("bwrap")) return "bwrap";
  const main = command[0]?.endsWith("node") ? command.slice(1).find((part) => !part.startsWith("-")) : undefined;
  const script = /\/app\/(supervisor|toolbox)\.mjs$/.exec(main ?? "")?.[1];
  return (script as SandboxProcess["program"] | undefined) ?? null;
}

/** The session that a supervisor was started for, or adopted by. */
function sessionOf(pid: number): string | undefined {
  const environment = textOf(`/proc/${pid}/environ`).split("\0");
  const valueOf = (name: string) => environment.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  return textOf(`/proc/${pid}/root${valueOf("STATE_DIR") ?? "/var/lib/sandbox"}/session`) || valueOf("SESSION_ID");
}

/** The processes of a session's sandbox. */
export function sandboxOfSession(root: number, sessionId: string): SandboxProcess[] {
  const all = sandboxesOf(root);
  const own = all.find(({ pid, program }) => program === "supervisor" && sessionOf(pid) === sessionId);
  return own === undefined ? [] : all.filter(({ taskId }) => taskId === own.taskId);
}

const allPids = () => readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));

/** What this process started, whatever namespace it is in. */
function pidsBelow(root: number): number[] {
  const pids = allPids();
  const parents = new Map(pids.map((pid) => [pid, parentOf(pid)]));
  const isBelow = (pid: number): boolean => pid === root || (parents.has(pid) && isBelow(parents.get(pid) ?? 0));
  return pids.filter(isBelow);
}

/** Every process of a sandbox that this process started. */
export function sandboxesOf(root: number): SandboxProcess[] {
  return pidsBelow(root).flatMap((pid) => {
    const program = programOf(pid);
    // Only what is inside a container sees its folders.
    const taskId = /\/containers\/tasks\/([^/\s]+)\//.exec(textOf(`/proc/${pid}/mountinfo`))?.[1];
    return program === null || taskId === undefined ? [] : [{ pid, program, taskId }];
  });
}

/** Processes of sandboxes on this state that are not below the platform: they outlived the one that started them. */
export function outliversOf(root: number, stateDir: string): number[] {
  const own = new Set(pidsBelow(root));
  const volumes = `/${basename(stateDir)}/containers/tasks/`;
  return allPids().filter((pid) => !own.has(pid) && textOf(`/proc/${pid}/mountinfo`).includes(volumes));
}
