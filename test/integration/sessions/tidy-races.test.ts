import { tidyGraceMs } from "../../../shared/domain/checkpoint/tidy.decisions.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { AppError } from "../../../shared/errors.ts";
import { Random } from "../../simulation/kernel/random.ts";
import { startSessions, type Sessions } from "./support.ts";
import { tidyWorld, type Crash, type Sandbox, type TidyWorld } from "./tidy-world.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());

const day = tidyGraceMs;
const seed = Number(process.env["TIDY_SEED"] ?? 53);
const steps = Number(process.env["TIDY_STEPS"] ?? 150);

const isRefusal = (error: unknown) =>
  error instanceof AppError && ["not_found", "conflict", "busy", "turn_running"].includes(error.code);

const worldOf = (random: Random) => tidyWorld(sessions, () => random.next());

/** Calls `work` where a job waits for the n-th time. */
function at(n: number, work: () => Promise<unknown>): { hook: () => Promise<void>; calls: () => number } {
  let calls = 0;
  const hook = async () => {
    calls += 1;
    if (calls === n) await work();
  };
  return { hook, calls: () => calls };
}

/** Three more checkpoints, of which the last put together what was before it. */
async function goOn(world: TidyWorld, key: SessionKey): Promise<Sandbox> {
  const sandbox = await world.start(key);
  for (let count = 0; count < 3; count += 1) {
    const plan = await world.make(sandbox);
    if (plan) await world.tell(plan);
  }
  return sandbox;
}

it("a report that was held up for days names what it put, at whatever moment of the job it comes", async () => {
  const world = worldOf(new Random(seed));
  const key = await world.session();
  for (let moment = 1, isOver = false; !isOver; moment += 1) {
    const sandbox = await goOn(world, key);
    const held = await world.make(sandbox);
    sessions.clock.advance(2 * day);
    const { hook, calls } = at(moment, () => world.tell(held!));
    await world.tidy(hook);
    isOver = calls() < moment;
    const all = await world.checkpoints(key);
    expect([moment, all.length, await world.missing(key)]).toEqual([moment, 4 * moment - (isOver ? 1 : 0), []]);
  }
});

it("a restore without a sandbox that broke off days ago is carried out, at whatever moment of the job", async () => {
  const world = worldOf(new Random(seed));
  const key = await world.session();
  for (let moment = 1, isOver = false; !isOver; moment += 1) {
    await goOn(world, key);
    const [first] = await world.checkpoints(key);
    await world.beginRestore(key, first!);
    await expect(world.resumeRestore(key, true)).rejects.toThrow();
    sessions.clock.advance(2 * day);
    const { hook, calls } = at(moment, () => world.resumeRestore(key));
    await world.tidy(hook);
    isOver = calls() < moment;
    expect([moment, await world.missing(key)]).toEqual([moment, []]);
    if (!isOver) expect((await world.checkpoints(key)).at(-1)).toMatchObject({ cause: "restore" });
  }
});

it("a container names nothing that another one put", async () => {
  const world = worldOf(new Random(seed));
  const key = await world.session();
  const earlier = await world.make(await world.start(key));
  const made = await world.make(await world.start(key));
  for (const name of ["pack_key", "manifest_key", "blobs_key", "parent_manifest_key"] as const) {
    const checkpoint = { ...made!.report.checkpoint!, [name]: earlier!.report.checkpoint![name] };
    const told = world.tell({ ...made!, report: { ...made!.report, checkpoint } });
    await expect(told).rejects.toMatchObject({ code: "not_found" });
  }
  await world.tell(made!);
  expect(await world.checkpoints(key)).toHaveLength(1);
});

it("while a container goes on, what it put together goes, and what it put and has not named stays", async () => {
  const world = worldOf(new Random(seed));
  const key = await world.session();
  const sandbox = await goOn(world, key);
  const held = await world.make(sandbox);
  const packs = async () => (await world.leftOver([key])).filter((name) => name.includes("/packs/"));
  expect(await packs()).toHaveLength(3);
  sessions.clock.advance(2 * day);
  await world.tidy();
  expect(await packs()).toEqual([held!.report.checkpoint!.pack_key]);
});

/** What happens to sessions, drawn one after the other; each is complete in itself, some in the middle of another. */
class Draws {
  readonly keys: SessionKey[] = [];
  readonly counts: Record<string, number> = {};
  readonly #running = new Map<string, Sandbox>();
  readonly #held: NonNullable<Awaited<ReturnType<TidyWorld["make"]>>>[] = [];
  readonly world: TidyWorld;
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
    this.world = worldOf(random);
  }

  /** Refusals are part of it. */
  async #try(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.counts[what] = (this.counts[what] ?? 0) + 1;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.counts[`${what} refused`] = (this.counts[`${what} refused`] ?? 0) + 1;
    }
  }

  readonly #between = async (): Promise<void> => {
    if (this.random.chance(0.25)) await this.one(true);
  };

  async #started(key: SessionKey, anew = this.random.chance(0.2)): Promise<Sandbox> {
    const present = this.#running.get(key.session_id);
    if (present && !anew) return present;
    const sandbox = await this.world.start(key);
    this.#running.set(key.session_id, sandbox);
    return sandbox;
  }

  async #checkpoint(key: SessionKey): Promise<void> {
    const [late] = this.#held.filter(({ sandbox: { link } }) => link.key.session_id === key.session_id);
    if (late && this.random.chance(0.7)) return this.world.tell(late, this.#looking());
    const sandbox = await this.#started(key);
    const crash = this.random.chance(0.25) ? this.random.pick<Crash>(["pack", "manifest", "bundle"]) : "none";
    const plan = await this.world.make(sandbox, crash);
    if (plan && this.random.chance(0.8)) return this.world.tell(plan, this.#looking());
    if (plan) this.#held.push(plan);
    // It goes on after a failed upload, or died, or nobody heard of it yet.
    if (plan || this.random.chance(0.5)) this.#running.delete(key.session_id);
  }

  /** Where a report looks after its objects, other things may happen before it is written. */
  #looking(): TidyWorld["objects"]["head"] {
    return async (name) => {
      const found = await this.world.objects.head(name);
      if (this.random.chance(0.1)) await this.world.tidy();
      return found;
    };
  }

  async #restore(key: SessionKey): Promise<void> {
    const all = await this.world.checkpoints(key);
    if (all.length > 0) await this.world.beginRestore(key, this.random.pick(all));
    this.#running.delete(key.session_id);
    const dies = this.random.chance(0.4);
    await this.world.resumeRestore(key, dies).catch((error: unknown) => {
      if (!dies) throw error;
    });
  }

  async #fork(key: SessionKey): Promise<void> {
    const all = await this.world.checkpoints(key);
    if (this.keys.length < 5 && all.length > 0)
      this.keys.push(await this.world.fork(key, this.random.pick(all).number));
  }

  /** `inside`: in the middle of a job. True where that was a job. */
  async one(inside: boolean): Promise<boolean> {
    const draw = this.random.next();
    if (draw < 0.76) await this.#other(draw);
    if (draw < 0.76 || inside) return false;
    sessions.clock.advance(this.random.pick([1000, day / 24, day + 1000, 2 * day]));
    this.counts["job"] = (this.counts["job"] ?? 0) + (await this.world.tidy(this.#between));
    return true;
  }

  #other(draw: number): Promise<void> {
    const key = this.random.pick(this.keys);
    if (draw < 0.5) return this.#try("checkpoint", () => this.#checkpoint(key));
    if (draw < 0.6) {
      const [plan] = this.#held.splice(0, 1);
      return this.#try("late report", async () => plan && this.world.tell(plan, this.#looking()));
    }
    if (draw < 0.66) return this.#try("restore", () => this.#restore(key));
    if (draw < 0.72) return this.#try("restore resumed", () => this.world.resumeRestore(key));
    return this.#try("fork", () => this.#fork(key));
  }
}

it("whatever comes together, all that a row of a session names is there, and the rest goes", async () => {
  const draws = new Draws(new Random(seed));
  const { world, keys } = draws;
  keys.push(await world.session());
  for (let step = 0; step < steps; step += 1) {
    if (!(await draws.one(false))) continue;
    for (const key of keys) expect([seed, step, await world.missing(key)]).toEqual([seed, step, []]);
  }
  for (const _ of [1, 2]) {
    for (const key of keys) await goOn(world, key);
    sessions.clock.advance(day + 1000);
    expect(await world.tidy()).toBeGreaterThan(0);
  }
  expect([seed, await world.leftOver(keys)]).toEqual([seed, []]);
  if (process.env["TIDY_SEED"]) console.log(draws.counts);
});
