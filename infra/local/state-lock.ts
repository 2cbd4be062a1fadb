import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Another platform runs on the same state. */
export class StateInUse extends Error {
  constructor(directory: string, pid: number) {
    super(
      `the state in ${directory} is in use by process ${pid}: stop it first, or choose another directory with SANDBOX_STATE_DIR`,
    );
    this.name = "StateInUse";
  }
}

/** Throws `StateInUse` where another platform runs on it, and takes nothing. */
export function requireFreeState(directory: string): void {
  const file = join(directory, "lock");
  if (!existsSync(file)) return;
  const [pid = "", started] = readFileSync(file, "utf8").trim().split(" ");
  if (isRunning(Number(pid), started)) throw new StateInUse(directory, Number(pid));
}

/** Takes the state directory for this process. Answers how to let it go. A lock whose process is gone counts for nothing. */
export function lockState(directory: string): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, "lock");
  const own = `${process.pid} ${startedAt(process.pid)}`;
  for (let attempt = 0; attempt < 2; attempt++) {
    requireFreeState(directory);
    rmSync(file, { force: true });
    if (writeIfNew(file, own)) return () => rmSync(file, { force: true });
  }
  throw new Error(`${file} cannot be written`);
}

function writeIfNew(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw error;
  }
}

function isRunning(pid: number, started: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
  return startedAt(pid) === started;
}

/** Tells a process from a later one with the same id; a constant where the system does not say. */
function startedAt(pid: number): string {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return "unknown";
  return readFileSync(file, "utf8").split(") ").at(-1)?.split(" ")[19] ?? "unknown";
}
