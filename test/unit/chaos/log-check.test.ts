import { noDeeds } from "../../../scripts/chaos/deeds.ts";
import { problemsOf } from "../../../scripts/chaos/log-check.ts";
import type { DurableEvent } from "../../../shared/protocol/server-event.ts";

const text = (content: string) => [{ type: "text", text: content }];
const call = { type: "tool_use", id: "call-1", name: "bash", input: {} };
const said = (role: string, content: object[]) => ["message.completed", { role, content }] as const;
const ended = (reason: string) => ["turn.ended", { reason, error: null }] as const;
type Event = readonly [type: string, data: object, turn?: string];

function logOf(events: readonly Event[]): DurableEvent[] {
  return events.map(
    ([type, data, turn_id = "t1"], at) => ({ type, data, turn_id, seq: at + 1 }) as unknown as DurableEvent,
  );
}

const acked = [{ turn_id: "t1", seq: 1, content: "go" }];
const asked: Event[] = [
  said("user", text("go")),
  ["turn.started", {}],
  said("assistant", [call]),
  ["approval.requested", { approval_id: "a1", call_id: "call-1" }],
];
const completed: Event = ["tool.completed", { call_id: "call-1" }];
const denied: Event = ["approval.resolved", { approval_id: "a1", call_id: "call-1", decision: "denied" }];
const answered: Event[] = [said("assistant", text("done")), ended("completed")];

const problems = (events: Event[], deeds = {}) =>
  problemsOf(logOf(events), { acked, deeds: { ...noDeeds(), ...deeds } });

test("a turn with a denied call is right; a decision that the log does not have, or has twice, is not", () => {
  const decisions = new Map([["a1", "denied"]]);
  expect(problems([...asked, denied, completed, ...answered], { decisions })).toEqual([]);
  expect(problems([...asked, denied, denied, completed, ...answered])).toContain("a1 was resolved 2 times");
  const other = new Map([["a1", "approved"]]);
  expect(problems([...asked, denied, completed, ...answered], { decisions: other })).toHaveLength(1);
  expect(problems([...asked, denied, completed, completed, ...answered])).toHaveLength(1);
});

test("a turn ends as interrupted where somebody was told so, and nowhere else", () => {
  const broken: Event[] = [said("user", text("go")), ["turn.started", {}], ended("interrupted")];
  expect(problems(broken, { interrupting: new Set(["t1"]) })).toEqual([]);
  expect(problems(broken, { urgent: 1 })).toEqual([]);
  expect(problems(broken)).toEqual(["nobody interrupted t1"]);
  const whole: Event[] = [said("user", text("go")), ["turn.started", {}], ...answered];
  expect(problems(whole, { interrupting: new Set(["t1"]) })).toHaveLength(1);
});

test("a call of an answer that an interrupt overtook has a result and never began", () => {
  const cut: Event = ["tool.completed", { call_id: "call-1", is_error: true, output: "Interrupted by the user" }];
  const until: Event[] = [said("user", text("go")), ["turn.started", {}], said("assistant", [call])];
  const deeds = { interrupting: new Set(["t1"]) };
  expect(problems([...until, cut, ended("interrupted")], deeds)).toEqual([]);
  expect(problems([...until, cut, cut, ended("interrupted")], deeds)).toHaveLength(1);
  expect(problems([...until, ["tool.completed", { call_id: "call-1" }], ended("interrupted")], deeds)).toHaveLength(1);
});

test("what a fork's opening ended, nobody has to have done; what came after it, somebody has", () => {
  const opening: Event[] = [
    ["turn.started", {}, "t0"],
    ["turn.ended", { reason: "interrupted", error: null }, "t0"],
    ["queue.updated", { turn_ids: [], cancelled: ["t9"] }],
    ["session.forked", {}],
  ];
  const of = (events: Event[]) => problemsOf(logOf(events), { acked: [], from: 1 });
  expect(of(opening)).toEqual([]);
  expect(of([...opening, ["queue.updated", { turn_ids: [], cancelled: ["t8"] }]])).toEqual(["nobody took t8 back"]);
});

test("a prompt that was taken back never begins; one that joined a turn is answered after it", () => {
  const taken: Event[] = [said("user", text("go")), ["queue.updated", { turn_ids: [], cancelled: ["t1"] }]];
  expect(problems(taken, { cancelled: new Set(["t1"]) })).toEqual([]);
  expect(problems(taken)).toEqual(["nobody took t1 back"]);
  const late = logOf([
    said("user", text("go")),
    ["turn.started", {}],
    said("assistant", text("a")),
    said("user", text("and")),
  ]);
  const log = [...late, ...logOf([...Array.from({ length: 4 }, () => completed), ended("completed")]).slice(4)];
  const both = [...acked, { turn_id: "t1", seq: 4, content: "and" }];
  expect(problemsOf(log, { acked: both })).toEqual(["t1 has no answer to 4"]);
});

test("a restore and a checkpoint on demand are on the log once, as they were answered", () => {
  const turn: Event[] = [said("user", text("go")), ["turn.started", {}], ...answered];
  const made: Event = ["checkpoint.created", { number: 2 }];
  const restored: Event = ["checkpoint.restored", { number: 1, what: "files", checkpoint: 2 }];
  const deeds = { checkpoints: [2], restores: [{ number: 1, what: "files", seq: 6 }] };
  expect(problems([...turn, made, restored], deeds)).toEqual([]);
  expect(problems([...turn, made, restored, restored], deeds)).toHaveLength(1);
  expect(problems([...turn, made], { ...deeds })).toHaveLength(2);
  expect(problems([...turn, restored], { checkpoints: [2], unsure: 1 })).toHaveLength(1);
});
