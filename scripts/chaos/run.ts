import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startRehearsalModel } from "../../infra/local/model/server.ts";
import { prepare } from "../../infra/local/prepare.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { Scope } from "../../shared/protocol/permission.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";
import { compareBilling } from "./billing-check.ts";
import { Killer, type Kill, type Kind, type Rhythm } from "./killer.ts";
import { problemsOf } from "./log-check.ts";
import { killInTools } from "./mid-tool.ts";
import { outliversOf } from "./processes.ts";
import { PlatformProcess } from "./platform-process.ts";
import { recoveryOf } from "./recovery.ts";
import { readStored } from "./stored.ts";
import { talkMixed } from "./mixes.ts";
import { persist } from "./persist.ts";
import { Talker } from "./talker.ts";

const root = resolve(import.meta.dirname, "../..");

export interface ChaosOptions {
  stateDir: string;
  assemblyDir: string;
  turns: number;
  sessions: number;
  seed: number;
  /** `tools`: each turn's sandbox while its tool runs, and nothing else. */
  rhythm: Rhythm | "tools";
  /** No more than so many kills of each kind. */
  killsOfEach?: number;
  /** A turn that takes longer after the last kill is stuck. */
  turnLimitMs: number;
  /** No prompts and no kills after that. */
  limitMs: number;
  /** Of the template's schedules: the sweeper's minute times this. */
  scheduleScale: number;
  /** Beside prompting: whatever else a person may do. */
  mixes?: boolean;
  say: (line: string) => void;
}

/** The model outlives the platform: its own count of what it answered is the measure of the bill. */
export async function runChaos(options: ChaosOptions) {
  const { stateDir, say } = options;
  mkdirSync(stateDir, { recursive: true });
  const model = await startRehearsalModel({ port: 0, keptBodies: 1_000_000 });
  const prepared = await prepare({ root, directory: options.assemblyDir, hasModelKey: true });
  const platform = new PlatformProcess({
    ...prepared,
    stateDir,
    model: { baseUrl: model.url },
    modelApiKey: "rehearsal",
    scheduleScale: options.scheduleScale,
  });
  try {
    await platform.start();
    const person = await signUp(platform);
    const talkers = await Promise.all(
      Array.from({ length: options.sessions }, (_, at) =>
        Talker.begin(platform, person.key, `session ${at + 1}`, configOf(options, at)),
      ),
    );
    const startedMs = performance.now();
    const { rhythm } = options;
    const kills = await (rhythm === "tools"
      ? killInTools(platform, talkers, options)
      : killAtRandom(platform, talkers, { ...options, rhythm }));
    say(`${kills.length} kills in ${Math.round((performance.now() - startedMs) / 1000)} s; reading the outcome`);
    const all = talkers.flatMap((talker) => [talker, ...talker.forks]);
    const outlivers = outliversOf(platform.pid, stateDir);
    const report = await judge(stateDir, person.tenantId, all, kills, model.calls());
    for (const { client } of all) client.close();
    const problems = [
      ...report.problems,
      ...outlivers.map((pid) => `process ${pid} of a sandbox outlived its platform`),
    ];
    return { ...report, problems, seconds: Math.round((performance.now() - startedMs) / 1000) };
  } finally {
    await platform.kill();
    await model.stop();
  }
}

async function killAtRandom(
  platform: PlatformProcess,
  talkers: Talker[],
  options: ChaosOptions & { rhythm: Rhythm },
): Promise<Kill[]> {
  const killer = new Killer(platform, seededRandom(options.seed), options.killsOfEach);
  killer.start(options.rhythm);
  const talks = talkers.map((talker, at) => {
    const random = seededRandom(options.seed + 1 + at);
    const turns = turnsOf(options, at);
    return options.mixes ? talkMixed(talker, turns, random, options) : talker.talk(turns, random, options);
  });
  // The last turns would get every kill; a slow machine would not get over them at all.
  await Promise.race([halfOf(talks), pause(options.limitMs, undefined, { ref: false })]);
  await killer.stop();
  await Promise.all(talks);
  return killer.kills;
}

/** Until half of them are over. */
function halfOf(all: Promise<unknown>[]): Promise<void> {
  let left = Math.ceil(all.length / 2);
  const over = (resolve: () => void) => () => void ((left -= 1) === 0 && resolve());
  return new Promise((resolve, reject) => all.forEach((one) => void one.then(over(resolve), reject)));
}

/** Every third session asks a person before each command. */
function configOf({ mixes = false }: ChaosOptions, at: number): object | undefined {
  if (!mixes || at % 3 !== 0) return undefined;
  return { approvals: { rules: [{ tool: "bash", policy: "ask" }] } };
}

function turnsOf({ turns, sessions }: ChaosOptions, at: number): number {
  return Math.floor(turns / sessions) + (at < turns % sessions ? 1 : 0);
}

async function signUp(platform: PlatformProcess): Promise<{ key: string; tenantId: string }> {
  const account = { email: `${randomUUID()}@example.com`, password: "correct horse battery", tenant_name: "Chaos" };
  const signedUp = await persist<TokenAnswer>(platform, "", "POST", "/auth/register", account);
  const wanted = { name: "chaos", scopes: Scope.options };
  const { key } = await persist<{ key: string }>(platform, signedUp.access_token, "POST", "/api-keys", wanted);
  return { key, tenantId: signedUp.tenant.id };
}

async function judge(
  stateDir: string,
  tenant_id: string,
  talkers: Talker[],
  kills: Kill[],
  calls: Parameters<typeof compareBilling>[1],
) {
  const sessions = await Promise.all(
    talkers.map(async (talker) => {
      await talker.client.catchUp().catch(() => undefined);
      const [log, usage, stored] = await Promise.all([
        talker.log(),
        talker.usage(),
        readStored(stateDir, { tenant_id, session_id: talker.sessionId }),
      ]);
      return { talker, log, usage, ...stored };
    }),
  );
  // To look at what went wrong.
  writeFileSync(
    join(stateDir, "outcome.json"),
    JSON.stringify({ kills, sessions: sessions.map(({ talker, log, ledger }) => ({ ...plain(talker), log, ledger })) }),
  );
  const billing = compareBilling(
    sessions.flatMap(({ ledger }) => ledger),
    calls,
  );
  const problems = sessions.flatMap(({ talker, log, usage, ledger, violations }) => {
    const seen = talker.client.session.log();
    return [
      ...problemsOf(log, talker),
      ...talker.client.failures,
      ...violations,
      ...(log.some((event, at) => seen[at] !== JSON.stringify(event)) ? ["the client saw another log"] : []),
      ...(usage.total.model_calls === ledger.length ? [] : ["the usage counts other calls than the ledger"]),
    ].map((problem) => `${talker.sessionId}: ${problem}`);
  });
  const ends = sessions.flatMap(({ log }) => log.flatMap((event) => (event.type === "turn.ended" ? [event.data] : [])));
  const count = (wanted: Kind) => kills.filter(({ kind }) => kind === wanted).length;
  return {
    kills: { worker: count("worker"), sandbox: count("sandbox"), platform: count("platform") },
    acked: talkers.reduce((sum, { acked }) => sum + acked.length, 0),
    ended: Object.fromEntries(
      [...new Set(ends.map(({ reason }) => reason))].map((each) => [
        each,
        ends.filter(({ reason }) => reason === each).length,
      ]),
    ),
    stuck: talkers.flatMap(({ stuck }) => stuck),
    problems: [...problems, ...billing.problems],
    deeds: sum(talkers),
    billing: { committed: billing.committed, wasted: billing.wasted, abandoned: billing.abandoned },
    recovery: recoveryOf(kills, sessions),
  };
}

function plain({ sessionId, from, acked, deeds }: Talker) {
  const { interrupting, cancelled, decisions, ...rest } = deeds;
  const sets = { interrupting: [...interrupting], cancelled: [...cancelled], decisions: [...decisions] };
  return { sessionId, from, acked, deeds: { ...rest, ...sets } };
}

/** How often a person did what, as far as it was answered. */
function sum(talkers: Talker[]) {
  const of = (count: (talker: Talker) => number) => talkers.reduce((all, talker) => all + count(talker), 0);
  return {
    interrupted: of(({ deeds }) => deeds.interrupting.size),
    urgent: of(({ deeds }) => deeds.urgent),
    cancelled: of(({ deeds }) => deeds.cancelled.size),
    decided: of(({ deeds }) => deeds.decisions.size),
    restored: of(({ deeds }) => deeds.restores.length),
    checkpoints: of(({ deeds }) => deeds.checkpoints.length),
    forks: of(({ forks }) => forks.length),
  };
}

export type ChaosReport = Awaited<ReturnType<typeof runChaos>>;
