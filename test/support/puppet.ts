import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { instant, say, type Answer } from "../../infra/local/model/answer.ts";
import { textOf, type RehearsalRequest } from "../../infra/local/model/request.ts";
import type { ApiSocket } from "../../scripts/demo/client.ts";
import type { Session } from "../../shared/protocol/session.ts";
import { signUp, startLocalPlatform, type Person } from "./local-platform.ts";

/** One call that the model makes; `rawJson` is streamed in place of the input. */
export interface Act {
  name: string;
  input: Record<string, unknown>;
  rawJson?: string;
}

export interface Acted {
  name: string;
  output: string;
  isError: boolean;
}

/** The whole platform with a model that does exactly what it is told, through the tools that it has. */
export class Puppet {
  readonly local: Awaited<ReturnType<typeof startLocalPlatform>>;
  readonly #scripts = new Map<string, Act[][]>();

  constructor(local: Awaited<ReturnType<typeof startLocalPlatform>>) {
    this.local = local;
    local.platform.rehearsal?.setScript((request) => this.#answer(request));
  }

  /** A prompt at which the model makes these calls: one list a step. */
  prompt(steps: Act[][]): string {
    const id = randomUUID().replaceAll("-", "");
    this.#scripts.set(id, steps);
    return `puppet: ${id}`;
  }

  #answer({ messages, outputSchema }: RehearsalRequest): Answer | null {
    if (outputSchema) return null;
    const told = /puppet: ([0-9a-f]{32})/;
    const at = messages.findLastIndex(({ role, content }) => role === "user" && told.test(textOf(content)));
    const ids = [...textOf(messages[at]?.content).matchAll(/puppet: ([0-9a-f]{32})/g)];
    const steps = this.#scripts.get(ids.at(-1)?.[1] ?? "");
    if (!steps) return null;
    const acts = steps[messages.slice(at).filter(({ role }) => role === "assistant").length];
    if (!acts) return { content: [say("Done.")], pace: instant };
    return { content: acts.map((act) => ({ type: "tool_use", ...act })), pace: instant };
  }

  async session(person: Person, body: Record<string, unknown> = {}): Promise<PuppetSession> {
    const { id } = await person.api.call<Session>("POST", "/sessions", body);
    return this.open(person, id);
  }

  /** A session that is there already. */
  async open(person: Person, id: string): Promise<PuppetSession> {
    const socket = await person.api.connect(person.webSocketUrl);
    await socket.ask({ type: "session.subscribe", session_id: id });
    return new PuppetSession(this, person, id, socket);
  }

  /** What runs for a session now, as the machine sees it; null where nothing does. */
  sandboxOf(sessionId: string): HostSandbox | null {
    const supervisors = processes().filter(({ command }) => /^node .*\/app\/supervisor\.mjs$/.test(command));
    for (const { pid } of supervisors) {
      if (!readText(`/proc/${pid}/environ`).split("\0").includes(`SESSION_ID=${sessionId}`)) continue;
      const workspace = this.#folderOf(pid);
      if (workspace) return { supervisor: pid, toolbox: toolboxOf(pid), workspace };
    }
    return null;
  }

  #folderOf(pid: number): string | null {
    const tasks = join(this.local.stateDir, "containers/tasks");
    const inside = inodeOf(`/proc/${pid}/root/workspace`);
    const found = readdirSync(tasks).map((task) => join(tasks, task, "volumes/workspace"));
    return found.find((path) => inside !== null && inodeOf(path) === inside) ?? null;
  }

  async stop(): Promise<void> {
    await this.local.platform.stop();
    this.local.forget();
  }
}

export interface HostSandbox {
  supervisor: number;
  toolbox: number | null;
  /** Its path on this machine. */
  workspace: string;
}

export class PuppetSession {
  readonly puppet: Puppet;
  readonly person: Person;
  readonly id: string;
  readonly socket: ApiSocket;

  constructor(puppet: Puppet, person: Person, id: string, socket: ApiSocket) {
    this.puppet = puppet;
    this.person = person;
    this.id = id;
    this.socket = socket;
  }

  /** One turn of these calls, to its end; what came of each, in their order. */
  async act(steps: Act[][], limitMs = 120_000): Promise<Acted[]> {
    const content = this.puppet.prompt(steps);
    const sent = await this.socket.ask({ type: "message.send", session_id: this.id, content }, 30_000);
    const turn = String(sent["turn_id"]);
    const { data } = await this.socket.waitFor("turn.ended", ({ turn_id }) => turn_id === turn, limitMs);
    if (data.reason !== "completed") throw new Error(`the turn ended ${JSON.stringify(data)}`);
    return this.#actedIn(turn);
  }

  async bash(command: string, timeout_ms = 60_000): Promise<string> {
    const [acted] = await this.act([[{ name: "bash", input: { command, timeout_ms } }]]);
    return acted?.output ?? "";
  }

  get sandbox(): HostSandbox {
    const found = this.puppet.sandboxOf(this.id);
    if (!found) throw new Error("no sandbox runs");
    return found;
  }

  #actedIn(turn: string): Acted[] {
    const of = this.socket.events.filter((event) => event.turn_id === turn);
    const outcomes = new Map(
      of.flatMap((event) => (event.type === "tool.completed" ? [[event.data.call_id, event.data] as const] : [])),
    );
    return of.flatMap((event) => {
      if (event.type !== "tool.started") return [];
      const outcome = outcomes.get(event.data.call_id);
      return [{ name: event.data.name, output: String(outcome?.output ?? ""), isError: outcome?.is_error ?? true }];
    });
  }
}

export async function startPuppet(options: Parameters<typeof startLocalPlatform>[0] = {}) {
  const puppet = new Puppet(await startLocalPlatform(options));
  return { puppet, person: await signUp(puppet.local.platform) };
}

/** Peak resident memory of a process in MiB. */
export function peakMiB(pid: number | "self"): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** All processes that this one started, whatever namespaces they are in. */
export function processes(): { pid: number; command: string }[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = new Map(all.map((name) => [Number(name), parentOf(Number(name))]));
  const isOurs = (pid: number): boolean => pid === process.pid || (pid > 1 && isOurs(parents.get(pid) ?? 0));
  return all
    .map(Number)
    .filter(isOurs)
    .map((pid) => ({ pid, command: readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() }));
}

function parentOf(pid: number): number {
  const stat = readText(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

function toolboxOf(supervisor: number): number | null {
  const inside = inodeOf(`/proc/${supervisor}/root/workspace`);
  const toolboxes = processes().filter(({ command }) => /^node .*\/app\/toolbox\.mjs$/.test(command));
  return toolboxes.find(({ pid }) => inodeOf(`/proc/${pid}/root/workspace`) === inside)?.pid ?? null;
}

function inodeOf(path: string): string | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? `${stats.dev}:${stats.ino}` : null;
}

/** Empty where it has gone meanwhile. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
