import { createHash, randomUUID } from "node:crypto";
import { createSocket } from "node:dgram";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { importRepository } from "../../../infra/local/git-host/repositories.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { signUp, type Person } from "../../support/local-platform.ts";
import { processes, startPuppet, type Puppet, type PuppetSession } from "../../support/puppet.ts";
import type { Targets } from "./attack.ts";

const root = resolve(import.meta.dirname, "../../..");

/** Everything below a folder, links not followed. */
export function contentsOf(folder: string): Record<string, string> {
  const seen: Record<string, string> = {};
  const look = (path: string): void => {
    const stats = lstatSync(path);
    const about = `${stats.mode} ${stats.uid}`;
    if (stats.isDirectory()) for (const name of readdirSync(path)) look(join(path, name));
    else if (stats.isSymbolicLink()) seen[path] = `${about} -> ${readlinkSync(path)}`;
    else if (stats.isFile()) seen[path] = `${about} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
    else seen[path] = about;
  };
  look(folder);
  return seen;
}

const kernelFiles = ["core_pattern", "modprobe", "hostname", "sysrq", "randomize_va_space"].map(
  (name) => `/proc/sys/kernel/${name}`,
);

/** A platform with a victim and an attacker of another tenant, and traps all around. */
export class EvilWorld {
  readonly puppet: Puppet;
  readonly attacker: Person;
  readonly victim: PuppetSession;
  readonly targets: Targets;
  readonly reached: string[] = [];
  readonly #closers: (() => void)[] = [];
  readonly #startedAt = { wall: Date.now(), steady: performance.now() };

  private constructor(puppet: Puppet, attacker: Person, victim: PuppetSession, targets: Targets) {
    this.puppet = puppet;
    this.attacker = attacker;
    this.victim = victim;
    this.targets = targets;
  }

  static async start(): Promise<EvilWorld> {
    const { puppet, person } = await startPuppet();
    const attacker = await signUp(puppet.local.platform);
    const { gitDir } = puppet.local.platform;
    await importRepository({ directory: gitDir, source: null, repository: "demo/evil" });
    const victim = await puppet.session(person);
    const text = `VICTIM-${randomUUID()}`;
    await victim.bash(`echo ${text} > precious.txt`);
    const witness = mkdtempSync(join(tmpdir(), "witness-"));
    chmodSync(witness, 0o777);
    const secret = `WITNESS-${randomUUID()}`;
    writeFileSync(join(witness, "secret"), secret, { mode: 0o666 });
    mkdirSync(join(witness, "folder"));
    const { platform } = puppet.local;
    const urls = [
      platform.httpUrl,
      platform.webSocketUrl,
      platform.previewUrl,
      platform.awsUrl,
      platform.gitHostUrl,
      platform.modelUrl,
    ];
    const address = addressOf(victim.sandbox.supervisor);
    const targets = {
      witness,
      secret,
      trapPort: 0,
      abstractName: `trap-${randomUUID()}`,
      ports: urls.map((url) => Number(new URL(url).port)),
      victim: { id: victim.id, text, ...address },
      httpUrl: platform.httpUrl,
    };
    const world = new EvilWorld(puppet, attacker, victim, targets);
    await world.#setTraps();
    return world;
  }

  async session(): Promise<PuppetSession> {
    const { api } = this.attacker;
    const { id } = await api.call<Session>("POST", "/sessions", { repo: "demo/evil" });
    return this.puppet.open(this.attacker, id);
  }

  async #setTraps(): Promise<void> {
    const listen = async (what: string, at: { port: number; host: string } | { path: string }): Promise<Server> => {
      const server = createServer((socket) => {
        this.reached.push(what);
        socket.on("error", () => undefined);
        socket.end("reached");
      });
      await new Promise<void>((done) => server.listen(at, done));
      this.#closers.push(() => server.close());
      return server;
    };
    const tcp = await listen("the trap's port", { port: 0, host: "127.0.0.1" });
    this.targets.trapPort = (tcp.address() as { port: number }).port;
    await listen("the abstract socket", { path: `\0${this.targets.abstractName}` });
    await listen("the socket of the witness", { path: join(this.targets.witness, "trap.sock") });
    chmodSync(join(this.targets.witness, "trap.sock"), 0o777);
    const udp = createSocket("udp4", () => this.reached.push("a datagram"));
    await new Promise<void>((done) => udp.bind(this.targets.trapPort, "127.0.0.1", done));
    this.#closers.push(() => udp.close());
  }

  /** All that no attack may change, as this machine sees it. */
  async outside(): Promise<Record<string, unknown>> {
    const { person, id, sandbox } = this.victim;
    const { api } = person;
    return {
      reached: [...this.reached],
      witness: contentsOf(this.targets.witness),
      programs: contentsOf(join(root, "dist/sandbox")),
      packages: lstatSync(join(root, "node_modules/.package-lock.json")).mtimeMs,
      victim: { files: contentsOf(sandbox.workspace), supervisor: sandbox.supervisor, toolbox: sandbox.toolbox },
      log: await api.call("GET", `/sessions/${id}/events?limit=200`),
      sessions: await api.call("GET", "/sessions"),
      kernel: kernelFiles.map((path) => (existsSync(path) ? readFileSync(path, "utf8") : null)),
      clock: Math.abs(Date.now() - this.#startedAt.wall - (performance.now() - this.#startedAt.steady)) < 5_000,
      escaped: processes().filter(({ pid, command }) => /sleep 300|\.stolen|fake\.js/.test(command) && sharesOurs(pid)),
    };
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) close();
    await this.puppet.stop();
    rmSync(this.targets.witness, { recursive: true, force: true });
  }
}

/** Runs in the namespace of this machine's processes. */
function sharesOurs(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync("/proc/self/ns/pid");
  } catch {
    return false;
  }
}

/** Where a supervisor listens: for the relay, not for people's code. */
function addressOf(supervisor: number): { address: string; port: number } {
  const inodes = new Set(
    readdirSync(`/proc/${supervisor}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${supervisor}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  for (const line of readFileSync(`/proc/${supervisor}/net/tcp`, "utf8").split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (state !== "0A" || !inodes.has(inode)) continue;
    const [hex = "", port = ""] = local.split(":");
    return { address: [...Buffer.from(hex, "hex").toReversed()].join("."), port: Number.parseInt(port, 16) };
  }
  throw new Error("the supervisor listens nowhere");
}
