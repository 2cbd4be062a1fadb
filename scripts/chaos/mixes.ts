import { setTimeout as pause } from "node:timers/promises";
import type { CreateCheckpointAnswer, RestoreAnswer } from "../../shared/protocol/checkpoint.ts";
import type { InterruptAnswer } from "../../shared/protocol/conversation.ts";
import { RestoreWhat } from "../../shared/protocol/server-event.ts";
import { decideAll } from "./decider.ts";
import { pick, pickScript, type Talker } from "./talker.ts";

type Random = () => number;
type Move = (talker: Talker, random: Random) => Promise<unknown>;

const mostForks = 1;
const longestPauseMs = 4000;

function noteInterrupt({ deeds }: Talker, { turn_id, state }: InterruptAnswer): void {
  if (state === "interrupting" && turn_id !== null) deeds.interrupting.add(turn_id);
}

async function cancelOne(talker: Talker, random: Random): Promise<void> {
  const { data } = await talker.call<{ data: { turn_id: string }[] }>("GET", "/queue");
  if (data.length === 0) return;
  const { turn_id } = pick(random, data);
  talker.deeds.cancelled.add(turn_id);
  if (random() < 0.5) await talker.attempt(["not_found"], "DELETE", `/queue/${turn_id}`);
  else await talker.frame({ type: "queue.cancel", turn_id }).catch(refusedWith("not_found"));
}

async function reorder(talker: Talker): Promise<void> {
  const { data } = await talker.call<{ data: { turn_id: string }[] }>("GET", "/queue");
  const turn_ids = data.map(({ turn_id }) => turn_id).toReversed();
  await talker.attempt(["conflict"], "PUT", "/queue", { turn_ids });
}

const refusedWith = (code: string) => (error: unknown) => {
  if (!(error instanceof Error && "code" in error && error.code === code)) throw error;
};

async function write(talker: Talker, random: Random): Promise<void> {
  const content = `written by a person: ${random()}\n`;
  const path = `/files/person-${Math.floor(random() * 3)}.txt`;
  await talker.attempt(["turn_running"], "PUT", path, { content, if_hash: "*" });
}

/** While turns run. */
const meddling: readonly Move[] = [
  async (talker) => noteInterrupt(talker, await talker.call("POST", "/interrupt", {})),
  async (talker) => noteInterrupt(talker, await talker.frame({ type: "turn.interrupt" })),
  (talker, random) => talker.prompt(pickScript(random), "steer"),
  (talker, random) => talker.prompt(pickScript(random), "steer"),
  async (talker, random) => {
    talker.deeds.urgent += 1;
    await talker.prompt(pickScript(random), "interrupt");
  },
  cancelOne,
  reorder,
  write,
];

async function checkpoint(talker: Talker, random: Random): Promise<void> {
  if (random() < 0.7) await write(talker, random);
  const codes = ["turn_running", "sandbox_unavailable"];
  const answer = await talker.attempt<CreateCheckpointAnswer>(codes, "POST", "/checkpoints", { message: "By hand" });
  if (answer?.state === "created" && answer.checkpoint) talker.deeds.checkpoints.push(answer.checkpoint.number);
}

async function restore(talker: Talker, random: Random): Promise<void> {
  const { data } = await talker.call<{ data: { number: number }[] }>("GET", "/checkpoints");
  if (data.length === 0) return;
  const number = random() < 0.1 ? 0 : pick(random, data).number;
  const what = pick(random, RestoreWhat.options);
  const asked = { checkpoint: number, what };
  const codes = ["turn_running", "sandbox_unavailable", "diff_unavailable"];
  const answer = await talker.attempt<RestoreAnswer>(codes, "POST", "/restore", asked);
  if (answer) talker.deeds.restores.push({ number, what, seq: answer.seq });
  else talker.deeds.unsure += 1;
}

async function fork(talker: Talker, random: Random): Promise<void> {
  if (talker.forks.length >= mostForks) return;
  const forked = await talker.fork();
  void decideAll(forked, random);
  await forked.prompt(pickScript(random));
}

/** Between turns. */
const betweens: readonly Move[] = [
  checkpoint,
  checkpoint,
  restore,
  restore,
  restore,
  (talker, random) => Promise.all([restore(talker, random), talker.prompt(pickScript(random))]),
  (talker, random) => Promise.all([checkpoint(talker, random), talker.prompt(pickScript(random))]),
  write,
  fork,
];

/** What is refused here is for the report: the person goes on. */
async function carryOut(talker: Talker, random: Random, move: Move): Promise<void> {
  await move(talker, random).catch((error: unknown) => void talker.deeds.refused.push(String(error)));
}

async function meddle(talker: Talker, random: Random): Promise<void> {
  await pause(random() * longestPauseMs);
  await carryOut(talker, random, pick(random, meddling));
}

async function promptSome(talker: Talker, random: Random): Promise<void> {
  const count = pick(random, [1, 1, 1, 3]);
  for (let at = 0; at < count; at += 1)
    await talker.prompt(random() < 0.15 ? "rehearsal: ask this or that?" : pickScript(random));
}

/** So many prompts, with all else that a person may do meanwhile and in between, by chance. */
export async function talkMixed(
  talker: Talker,
  turns: number,
  random: Random,
  { turnLimitMs, limitMs }: { turnLimitMs: number; limitMs: number },
): Promise<void> {
  const end = performance.now() + limitMs;
  void decideAll(talker, random);
  while (talker.acked.length < turns && talker.stuck.length === 0 && performance.now() < end) {
    await promptSome(talker, random);
    const moves = Array.from({ length: pick(random, [0, 1, 1, 2, 3]) }, () => meddle(talker, random));
    await Promise.all(moves);
    await talker.settle(turnLimitMs);
    if (random() < 0.6) await carryOut(talker, random, pick(random, betweens));
    await talker.settle(turnLimitMs);
  }
  for (const forked of talker.forks) await forked.settle(turnLimitMs);
}
