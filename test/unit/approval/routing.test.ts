import * as fc from "fast-check";
import { completeCalls, type EndedCall } from "../../../shared/domain/tool-call/result.decisions.ts";
import {
  deniedByPolicy,
  planCalls,
  tooManyCalls,
  tooManyDecisions,
  waitsForPerson,
} from "../../../shared/domain/tool-call/route.decisions.ts";
import { emptyConversation } from "../../../shared/domain/session/first-rows.ts";
import { ApprovalPolicy } from "../../../shared/protocol/approval.ts";
import { toolUse } from "../../support/parked.ts";

const now = 1_000_000;
const ids = Array.from({ length: 32 }, (_, index) => ({
  nonce: `n${index}`,
  approval_id: `a${index}`,
  child_id: `c${index}`,
}));
const plan = (calls: Parameters<typeof planCalls>[0], policy: unknown = {}) =>
  planCalls(calls, { policy: ApprovalPolicy.parse(policy), remembered: [], depth: 0 }, ids, now);
const many = (count: number) => Array.from({ length: count }, (_, index) => toolUse(`t${index}`));

describe("the plan of a step's calls", () => {
  it("sends each to who carries it out", () => {
    const asked = [
      toolUse("b"),
      toolUse("q", { question: "Sure?" }, "ask_user"),
      toolUse("d", { prompt: "Do it" }, "delegate"),
      toolUse("x", {}, "constructor"),
    ];
    expect(plan(asked).placed).toEqual([
      { call: asked[0], nonce: "n0", handler: "sandbox" },
      {
        call: asked[1],
        nonce: "n1",
        handler: "question",
        approval_id: "a1",
        expires_at: now + 604_800_000,
        on_deadline: "deny",
      },
      { call: asked[2], nonce: "n2", handler: "delegate", child_id: "c2" },
      { call: asked[3], nonce: "n3", handler: "sandbox" },
    ]);
  });

  it("asks a person first where the policy says so; questions are asked whatever it says", () => {
    const policy = { default: "ask", deadline_seconds: 60, on_deadline: "allow" };
    const { placed } = plan([toolUse("b"), toolUse("d", { prompt: "x" }, "delegate")], policy);
    expect(placed).toMatchObject([
      { handler: "approval", expires_at: now + 60_000, on_deadline: "allow" },
      { handler: "approval", child_id: "c1" },
    ]);
    const strict = plan([toolUse("b"), toolUse("q", { question: "Sure?" }, "ask_user")], { default: "deny" });
    expect(strict.refused).toMatchObject([{ call: { id: "b" }, output: deniedByPolicy }]);
    expect(strict.placed).toMatchObject([{ handler: "question" }]);
  });

  it("lets sixteen wait for a person, and refuses the rest so that the model knows", () => {
    const { placed, refused } = plan(many(60), { default: "ask" });
    expect(placed).toHaveLength(16);
    expect(refused.map(({ output }) => output)).toEqual([
      ...Array.from({ length: 16 }, () => tooManyDecisions),
      ...Array.from({ length: 20 }, () => tooManyCalls),
    ]);
  });

  it("does not ask what is no question", () => {
    const options = Array.from({ length: 11 }, () => "x");
    const asked = [{}, { question: " " }, { question: "a".repeat(4001) }, { question: "a", options }].map((input) =>
      toolUse("q", input, "ask_user"),
    );
    expect(plan(asked).placed).toEqual([]);
    expect(plan(asked).refused.every(({ output }) => output.startsWith("Not asked: "))).toBe(true);
  });
});

describe("results that come in", () => {
  const handlers = ["sandbox", "approval", "question", "delegate"] as const;

  /** Ends calls one after the other, in the given order. */
  it("leave the turn waiting for persons exactly while nothing else is pending", () => {
    const step = fc.array(fc.constantFrom(...handlers), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(step, fc.infiniteStream(fc.nat()), (wanted, order) => {
        const open = [...wanted];
        const persons = () => open.filter((handler) => waitsForPerson({ handler })).length;
        let conversation = {
          ...emptyConversation({ tenant_id: "t", session_id: "00" }, now),
          status: persons() === open.length ? ("waiting" as const) : ("tools" as const),
          phase: "tools" as const,
          turn_id: "turn",
          pending_calls: open.length,
          person_calls: persons(),
          person_due_at: 77,
        };
        while (open.length > 0) {
          const [handler = "sandbox"] = open.splice((order.next().value ?? 0) % open.length, 1);
          const sizes = { output: "", output_bytes: 0, object_key: null, duration_ms: null };
          const result = { call_id: "c", name: "bash", is_error: false, ...sizes };
          const ended: EndedCall = { call: { handler, approval_id: "a" }, result };
          const done = completeCalls(conversation, "turn", [ended], now);
          expect(done?.rows.map((row) => row.kind === "event" && row.type)).toEqual(
            waitsForPerson({ handler }) ? ["approval.resolved", "tool.completed"] : ["tool.completed"],
          );
          conversation = { ...conversation, ...(done?.change as object) };
          const status = open.length === 0 ? "running" : persons() === open.length ? "waiting" : "tools";
          expect(conversation.status).toBe(status);
          if (status === "waiting") expect(conversation.due_at).toBe(77);
        }
        expect(conversation).toMatchObject({
          phase: "model",
          pending_calls: 0,
          person_calls: null,
          person_due_at: null,
        });
      }),
    );
  });

  it("are not taken for more persons than are waited for", () => {
    const conversation = {
      ...emptyConversation({ tenant_id: "t", session_id: "00" }, now),
      phase: "tools" as const,
      turn_id: "turn",
      pending_calls: 2,
    };
    const sizes = { output: "", output_bytes: 0, object_key: null, duration_ms: null };
    const result = { call_id: "c", name: "bash", is_error: false, ...sizes };
    const ended: EndedCall = { call: { handler: "approval", approval_id: "a" }, result };
    expect(completeCalls(conversation, "turn", [ended], now)).toBeNull();
  });
});
