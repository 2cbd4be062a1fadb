import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import fc from "fast-check";
import { plansOf } from "../../../shared/config/plans.ts";
import { rows } from "../../../shared/data/service.ts";
import { latestContainer, stopContainer } from "../../../shared/domain/container/container.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { tenantUsage } from "../../../shared/domain/usage/answers.ts";
import type { ModelEvent } from "../../../shared/ports/model.ts";
import { UsageQuery } from "../../../shared/protocol/usage.ts";
import { calls, type Engine, says, startEngine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";
import { names, turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
afterEach(() => engine.stop());
const { ask, linkUp } = turnDriver(() => engine);
const unlimited = plansOf({ DEFAULT_PLAN: "unlimited" });
const noSandboxes = { ...unlimited, limitsOf: () => ({ ...unlimited.limitsOf("unlimited"), runningContainers: 0 }) };
const cursors = { seal: async () => "", open: async () => "" };

async function usageOf(tenant_id: string, query: Record<string, unknown> = {}) {
  const { table, clock } = engine.deps;
  const result = await tenantUsage({ table, clock, cursors }, tenant_id, UsageQuery.parse(query));
  if (result.format !== "json") throw new Error("not JSON");
  return result.answer;
}

async function ledgerOf({ tenant_id, session_id }: SessionKey) {
  return (await rows(engine.deps.table).entities.tokenUsage.query.bySession({ tenant_id, session_id }).go()).data;
}

/** An answer that used so much. */
const answering = (input_tokens: number, output_tokens: number): ModelEvent[] =>
  says("Yes.").map((event) =>
    event.type === "completed" ? { ...event, usage: { ...event.usage, input_tokens, output_tokens } } : event,
  );

test("whatever sessions and people do, usage is the ledger's sum", async () => {
  const prompts = fc.array(
    fc.record({ session: fc.nat({ max: 2 }), input: fc.nat(5000), output: fc.nat(500), days: fc.nat({ max: 2 }) }),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  await fc.assert(
    fc.asyncProperty(prompts, async (list) => {
      const model = scriptedModel(
        list.map(
          ({ input, output }) =>
            () =>
              answering(input, output),
        ),
      );
      engine = await startEngine(model);
      const first = await engine.session();
      const sessions = [first, await engine.session(first.tenant_id), await engine.session(first.tenant_id)];
      for (const { session, days } of list) {
        engine.clock.advance(days * 24 * 3600 * 1000);
        await ask(sessions[session] as typeof first, "Go on");
        await engine.work();
      }
      const ledger = (await Promise.all(sessions.map(ledgerOf))).flat();
      expect(ledger).toHaveLength(list.length);
      const sum = (name: "input_tokens" | "output_tokens") => ledger.reduce((total, row) => total + row[name], 0);
      const { total, data } = await usageOf(first.tenant_id, {
        from: "2026-11-01",
        to: "2026-12-31",
        group_by: ["day", "session"],
      });
      expect(total).toMatchObject({
        model_calls: list.length,
        input_tokens: sum("input_tokens"),
        output_tokens: sum("output_tokens"),
      });
      expect(total.cost_micro_usd).toBe(list.reduce((cost, { input, output }) => cost + input * 2 + output * 10, 0));
      for (const row of data) {
        const own = ledger.filter(
          ({ at, session_id }) =>
            session_id === row.session_id && new Date(at).toISOString().startsWith(row.day ?? "?"),
        );
        expect(row.output_tokens).toBe(own.reduce((tokens, { output_tokens }) => tokens + output_tokens, 0));
      }
      await engine.stop();
    }),
    { numRuns: 8 },
  );
}, 120_000);

test("a sandbox counts when it has ended, not while it runs", async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  const key = await engine.session();
  await ask(key, "Hello");
  await engine.work();
  await linkUp(key);
  engine.clock.advance(90_000);
  expect((await usageOf(key.tenant_id)).total.sandbox_seconds).toBe(0);
  const container = await latestContainer(engine.deps.table, key);
  if (!container) throw new Error("no container");
  await stopContainer(engine.deps, container, "idle");
  await stopContainer(engine.deps, container, "idle");
  const { data } = await usageOf(key.tenant_id, { group_by: ["user", "model"] });
  expect(data).toMatchObject([
    { user_id: key.user_id, model: null, sandbox_seconds: 90, model_calls: 0 },
    { user_id: key.user_id, model: "rehearsal", sandbox_seconds: 0, model_calls: 1 },
  ]);
});

test("over the plan's sandboxes a turn that needs one ends with that; the next prompt tries anew", async () => {
  const model = scriptedModel([
    () => says("One."),
    () => says("Two."),
    () => calls({ id: "t1" }),
    () => calls({ id: "t2" }),
  ]);
  engine = await startEngine(model);
  engine.deps.plans = plansOf({ DEFAULT_PLAN: "trial" });
  const one = await engine.session();
  const two = await engine.session(one.tenant_id);
  const three = await engine.session(one.tenant_id);
  for (const key of [one, two, three]) {
    await ask(key, "Go");
    await engine.work();
  }
  const log = await engine.log(three);
  expect(names(log)).toEqual([
    "user message",
    "turn.started",
    "assistant message",
    "tool.started",
    "tool.completed",
    "turn.ended",
  ]);
  expect(log.at(-1)).toMatchObject({ data: { reason: "error", error: { code: "quota_exceeded" } } });
  expect(await readConversation(engine.deps.table, three)).toMatchObject({ phase: "none", pending_calls: 0 });

  const running = await latestContainer(engine.deps.table, one);
  if (!running) throw new Error("no container");
  await stopContainer(engine.deps, running, "idle");
  await ask(three, "Again");
  await engine.work();
  expect(await readConversation(engine.deps.table, three)).toMatchObject({ phase: "tools", pending_calls: 1 });
  expect(await latestContainer(engine.deps.table, three)).toMatchObject({
    status: "starting",
    counted_by: one.tenant_id,
  });
});

test("a turn without tools needs no sandbox, also over the plan", async () => {
  engine = await startEngine(scriptedModel([() => says("Hello.")]));
  engine.deps.plans = noSandboxes;
  const key = await engine.session();
  await ask(key, "Hello");
  await engine.work();
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { reason: "completed" } });
});

/** The process is gone right after the transaction that commits the step; the next one finds the table again. */
function dieAfterCommit(): { revive(): void } {
  let dead = false;
  let revived = false;
  (engine.deps.table.client as DynamoDBDocumentClient).middlewareStack.add(
    (next, context) => async (args) => {
      if (dead) throw new Error("the process is gone");
      const answer = await next(args);
      const isCommit =
        context.commandName === "TransactWriteItemsCommand" && JSON.stringify(args.input).includes("tokenUsage_1");
      dead = isCommit && !revived;
      return answer;
    },
    { step: "initialize" },
  );
  return {
    revive() {
      dead = false;
      revived = true;
    },
  };
}

test("a worker that dies before it ends the turn leaves nothing stuck", async () => {
  const model = scriptedModel([() => calls({ id: "t1" }), () => calls({ id: "t2" })]);
  engine = await startEngine(model);
  engine.deps.plans = noSandboxes;
  const key = await engine.session();
  await ask(key, "Go");
  const death = dieAfterCommit();
  await expect(engine.work()).rejects.toThrow("the process is gone");
  death.revive();
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "tools", pending_calls: 1 });
  const { tenant_id, session_id } = key;
  await engine.queue.send({ tenant_id, session_id, hops: 0 });
  await engine.work({ delayed: true });
  expect(await readConversation(engine.deps.table, key)).toMatchObject({ phase: "none", pending_calls: 0 });
  expect((await engine.log(key)).at(-1)).toMatchObject({ data: { error: { code: "quota_exceeded" } } });
  // Whoever looks next finds out that no sandbox may start, without asking the model once more.
  expect(await ledgerOf(key)).toHaveLength(1);
});
