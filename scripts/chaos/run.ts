import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { startRehearsalModel } from "../../infra/local/model/server.ts";
import { prepare } from "../../infra/local/prepare.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { Scope } from "../../shared/protocol/permission.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";
import { compareBilling } from "./billing-check.ts";
import { Killer, type Rhythm } from "./killer.ts";
import { problemsOf } from "./log-check.ts";
import { PlatformProcess } from "./platform-process.ts";
import { recoveryOf } from "./recovery.ts";
import { readStored } from "./stored.ts";
import { persist, Talker } from "./talker.ts";

const root = resolve(import.meta.dirname, "../..");

export interface ChaosOptions {
  stateDir: string;
  assemblyDir: string;
  turns: number;
  sessions: number;
  seed: number;
  rhythm: Rhythm;
  /** No more than so many kills of each kind. */
  killsOfEach?: number;
  /** A turn that takes longer is stuck. */
  turnLimitMs: number;
  /** No prompts after that. */
  limitMs: number;
  /** Of the template's schedules: the sweeper's minute times this. */
  scheduleScale: number;
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
      Array.from({ length: options.sessions }, (_, at) => Talker.begin(platform, person.key, `session ${at + 1}`)),
    );
    const startedMs = performance.now();
    const killer = new Killer(platform, seededRandom(options.seed), options.killsOfEach);
    killer.start(options.rhythm);
    const talks = talkers.map((talker, at) =>
      talker.talk(turnsOf(options, at), seededRandom(options.seed + 1 + at), options),
    );
    // The last turn alone would get every kill.
    await Promise.race(talks);
    await killer.stop();
    await Promise.all(talks);
    say(`${killer.kills.length} kills in ${Math.round((performance.now() - startedMs) / 1000)} s; reading the outcome`);
    const report = await judge(stateDir, person.tenantId, talkers, killer, model.calls());
    for (const { client } of talkers) client.close();
    return { ...report, seconds: Math.round((performance.now() - startedMs) / 1000) };
  } finally {
    await platform.kill();
    await model.stop();
  }
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
  killer: Killer,
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
  const billing = compareBilling(
    sessions.flatMap(({ ledger }) => ledger),
    calls,
  );
  const problems = sessions.flatMap(({ talker, log, usage, ledger, violations }) => {
    const seen = talker.client.session.log();
    return [
      ...problemsOf(log, talker.acked),
      ...talker.client.failures,
      ...violations,
      ...(log.some((event, at) => seen[at] !== JSON.stringify(event)) ? ["the client saw another log"] : []),
      ...(usage.total.model_calls === ledger.length ? [] : ["the usage counts other calls than the ledger"]),
    ].map((problem) => `${talker.sessionId}: ${problem}`);
  });
  const ends = sessions.flatMap(({ log }) => log.flatMap((event) => (event.type === "turn.ended" ? [event.data] : [])));
  return {
    kills: { worker: killer.count("worker"), sandbox: killer.count("sandbox"), platform: killer.count("platform") },
    acked: talkers.reduce((sum, { acked }) => sum + acked.length, 0),
    ended: Object.fromEntries(
      [...new Set(ends.map(({ reason }) => reason))].map((each) => [
        each,
        ends.filter(({ reason }) => reason === each).length,
      ]),
    ),
    stuck: talkers.flatMap(({ stuck }) => stuck),
    problems: [...problems, ...billing.problems],
    billing: { committed: billing.committed, wasted: billing.wasted, abandoned: billing.abandoned },
    recovery: recoveryOf(killer.kills, sessions),
  };
}

export type ChaosReport = Awaited<ReturnType<typeof runChaos>>;
