import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Refused } from "../../../scripts/demo/client.ts";
import type { Checkpoint, CreateCheckpointAnswer, RestoreAnswer } from "../../../shared/protocol/checkpoint.ts";
import type { ForkAnswer } from "../../../shared/protocol/fork.ts";
import type { Person } from "../../support/local-platform.ts";
import type { Puppet, PuppetSession } from "../../support/puppet.ts";
import type { Move } from "./moves.ts";
import { emptyTree, type Oracle, treeOfCommit } from "./oracle.ts";

const again = new Set(["sandbox_starting", "busy", "turn_running", "session_copying", "rate_limited"]);

/** As any client does it: what starts, or is busy, is asked again. */
async function patiently<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Refused && again.has(error.code) && tries < 60)) throw error;
      await pause(300);
    }
  }
}

interface Branch {
  session: PuppetSession;
  /** By number; 0 is the state before the first. */
  trees: string[];
  /** The workspace is that of the newest checkpoint as far as is known. */
  isCold: boolean;
}

/** One session and its forks, held to what native git says after every move. */
export class World {
  readonly #puppet: Puppet;
  readonly #person: Person;
  readonly #oracle: Oracle;
  readonly #left: { branch: Branch; tree: string }[] = [];
  readonly counts: Record<string, number> = {};
  #branch: Branch;

  private constructor(puppet: Puppet, person: Person, oracle: Oracle, session: PuppetSession) {
    this.#puppet = puppet;
    this.#person = person;
    this.#oracle = oracle;
    this.#branch = { session, trees: [emptyTree], isCold: true };
  }

  static async open(puppet: Puppet, person: Person, oracle: Oracle): Promise<World> {
    return new World(puppet, person, oracle, await puppet.session(person));
  }

  async play(move: Move): Promise<void> {
    if (await this.#play(move)) this.#count(move.kind);
  }

  /** Each session that was left for its fork still has what it had. */
  async end(): Promise<void> {
    await this.#warm();
    for (const { branch, tree } of this.#left) {
      this.#branch = branch;
      await this.#warm();
      this.#same(this.#native(), tree, "a session after it was forked");
    }
    const sessions = [this.#branch, ...this.#left.map(({ branch }) => branch)].map(({ session }) => session);
    for (const { id, socket } of new Set(sessions)) {
      await socket.close();
      await this.#person.api.reply("DELETE", `/sessions/${id}`);
    }
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  get #path(): string {
    return `/sessions/${this.#branch.session.id}`;
  }

  get #headTree(): string {
    return this.#branch.trees.at(-1) ?? emptyTree;
  }

  async #play(move: Move): Promise<boolean> {
    const { api } = this.#person;
    switch (move.kind) {
      case "turn": {
        await this.#warm();
        await this.#branch.session.bash(`{ ${move.commands.join("\n")}\n} 2>/dev/null; true`);
        await this.#checked("turn");
        return true;
      }
      case "write": {
        await this.#warm();
        const { content, executable } = move;
        const body = { content, if_hash: "*", executable };
        return this.#attempt(() => api.call("PUT", this.#file(move.path), body));
      }
      case "delete":
        await this.#warm();
        return this.#attempt(() => api.call("DELETE", `${this.#file(move.path)}?recursive=true`));
      case "move":
        await this.#warm();
        return this.#attempt(() =>
          api.call("POST", `${this.#path}/files/move`, { from: move.from, to: move.to, overwrite: true }),
        );
      case "checkpoint":
        await this.#warm();
        return this.#checkpoint();
      case "restore":
        return this.#restore(move.to % this.#branch.trees.length, move.what);
      case "stop":
        return this.#end("SIGTERM");
      case "kill":
        return this.#end("SIGKILL");
      case "fork":
        return this.#fork(move.at);
    }
  }

  #file(path: string): string {
    return `${this.#path}/files/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** What cannot be done with what is there (a folder in the way, no such file) is no failure. */
  async #attempt(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await patiently(run);
      return true;
    } catch (error) {
      if (error instanceof Refused && error.status < 500) return false;
      throw error;
    }
  }

  /** A container runs; one that was started for it has exactly the newest checkpoint. */
  async #warm(): Promise<void> {
    if (!this.#branch.isCold) return;
    await patiently(() => this.#branch.session.bash("true"));
    this.#branch.isCold = false;
    this.#same(this.#native(), this.#headTree, "a container that has just started");
    await this.#checked("start");
    this.#count("started");
  }

  #native(before = this.#headTree): string {
    return this.#oracle.treeOf(this.#branch.session.sandbox.workspace, before);
  }

  /** `native` is git's own; the other may be known to the supervisor alone. */
  #same(native: string, ours: string, what: string): void {
    if (native === ours) return;
    throw new Error(`${what}: tree ${native}, not ${ours}\n${this.#oracle.difference(native, this.#gitdir, ours)}`);
  }

  async #listed(): Promise<Checkpoint[]> {
    const page = await this.#person.api.call<{ data: Checkpoint[] }>("GET", `${this.#path}/checkpoints?limit=100`);
    return page.data.toSorted((one, other) => one.number - other.number);
  }

  get #gitdir(): string {
    return `/proc/${this.#branch.session.sandbox.supervisor}/root/var/lib/sandbox/git`;
  }

  #treeOf({ commit }: Checkpoint): string {
    if (!existsSync(this.#gitdir)) throw new Error("the supervisor's repository is not where it was");
    return treeOfCommit(this.#gitdir, commit);
  }

  /** The workspace is what the newest checkpoint says, and that is what git says. */
  async #checked(what: string): Promise<void> {
    const native = this.#native();
    const known = this.#branch.trees.length - 1;
    const added = (await this.#listed()).filter(({ number }) => number > known);
    for (const checkpoint of added) {
      this.#branch.trees.push(this.#treeOf(checkpoint));
      this.#count("checkpoints");
    }
    this.#same(native, this.#headTree, `git, and the newest checkpoint after a ${what}`);
  }

  async #checkpoint(): Promise<boolean> {
    const answer = await patiently(() =>
      this.#person.api.call<CreateCheckpointAnswer>("POST", `${this.#path}/checkpoints`, {}),
    );
    if (answer.state === "pending") throw new Error("the checkpoint took too long");
    await this.#checked("checkpoint on demand");
    return true;
  }

  async #restore(to: number, what: "files" | "chat" | "both"): Promise<boolean> {
    const { trees, session, isCold } = this.#branch;
    if (trees.length < 2) return false;
    const target = trees[to] ?? emptyTree;
    const before = isCold ? this.#headTree : this.#native();
    const ignored = isCold ? new Set<string>() : this.#oracle.ignoredIn(session.sandbox.workspace, this.#headTree);
    const answer = await patiently(() =>
      this.#person.api.call<RestoreAnswer>("POST", `${this.#path}/restore`, { checkpoint: to, what }),
    );
    if (answer.state !== "restored") throw new Error(`the restore is ${answer.state}`);
    if (what === "chat") return true;
    await this.#restored(before, target, ignored);
    return true;
  }

  async #restored(before: string, target: string, ignored: ReadonlySet<string>): Promise<void> {
    const { trees, isCold } = this.#branch;
    const added = (await this.#listed()).filter(({ number }) => number >= trees.length);
    const expected = [before, target].filter((tree, index, all) => tree !== (all[index - 1] ?? this.#headTree));
    if (added.length !== expected.length)
      throw new Error(`a restore made ${added.length} checkpoints, not ${expected.length}`);
    for (const [index, checkpoint] of added.entries()) {
      if (!isCold) this.#same(expected[index] ?? "", this.#treeOf(checkpoint), `checkpoint ${index + 1} of a restore`);
      trees.push(expected[index] ?? "");
      this.#count("checkpoints");
    }
    if (isCold) return;
    // What the rules of the other state hid was kept, and may be seen by those of this one.
    const more = this.#oracle.added(target, this.#native(target));
    const strange = more.filter((path) => !ignored.has(path) && !/\.kept-/.test(path));
    if (strange.length > 0) throw new Error(`a restore to ${target} left ${strange.join(", ")}`);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<boolean> {
    const { session, trees, isCold } = this.#branch;
    if (isCold) return false;
    const native = this.#native();
    const { events } = session.socket;
    const from = events.length;
    process.kill(session.sandbox.supervisor, signal);
    const isEnd = (type: string) => type === "container.lost" || type === "container.stopped";
    for (let tries = 0; !events.slice(from).some(({ type }) => isEnd(type)); tries += 1) {
      if (tries > 900) throw new Error(`nobody told that the container got ${signal}`);
      await pause(50);
    }
    this.#branch.isCold = true;
    if (signal === "SIGTERM" && native !== this.#headTree) trees.push(native);
    const [newest] = (await this.#listed()).slice(-1);
    const count = trees.length - 1;
    const told = JSON.stringify(events.slice(from).filter(({ type }) => isEnd(type)));
    if ((newest?.number ?? 0) !== count)
      throw new Error(`after ${signal} there are ${newest?.number} checkpoints, not ${count}: ${told}`);
    return true;
  }

  async #fork(at: number): Promise<boolean> {
    const { session, trees } = this.#branch;
    if (trees.length < 2 || this.#left.length > 1) return false;
    const number = 1 + (at % (trees.length - 1));
    // What nobody saved stays the parent's.
    const tree = this.#branch.isCold ? this.#headTree : this.#native();
    const fork = await patiently(() =>
      this.#person.api.call<ForkAnswer>("POST", `${this.#path}/fork`, { checkpoint: number }),
    );
    this.#left.push({ branch: this.#branch, tree });
    const child = await this.#puppet.open(this.#person, fork.id);
    this.#branch = { session: child, trees: trees.slice(0, number + 1), isCold: true };
    await this.#warm();
    if (child.id === session.id) throw new Error("a fork is a session of its own");
    return true;
  }
}
