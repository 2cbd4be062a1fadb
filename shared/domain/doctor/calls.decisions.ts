import { toolUses } from "../../protocol/content.ts";
import { maxToolCallsPerStep } from "../../protocol/limits.ts";
import type { EventRow } from "../timeline/row.ts";
import { waitsForPerson } from "../tool-call/route.decisions.ts";
import type { ToolCall } from "../tool-call/tool-call.ts";
import type { SessionRows } from "./rows.ts";
import type { Message } from "./turns-on-log.ts";
import type { Report } from "./violation.ts";

/** A call as the log shows it. */
interface OnLog {
  turn_id: string;
  step: number;
  call_id: string;
  asked_at: number;
  /** Past the limit of a step: nobody has to answer it, the transcript does. */
  isBeyond: boolean;
  started: number;
  /** Where a person was asked, and where that was resolved. */
  requested: number;
  resolved: number;
  completed: number;
  /** What the turn went on to without its result, and where. */
  passed: { by: string; seq: number } | null;
}

type CallEvent = Extract<
  EventRow,
  { type: "tool.started" | "tool.completed" | "approval.requested" | "approval.resolved" }
> & { seq: number };

const isOfCall = (row: EventRow & { seq: number }): row is CallEvent =>
  row.type === "tool.started" ||
  row.type === "tool.completed" ||
  row.type === "approval.requested" ||
  row.type === "approval.resolved";

const keyOf = (call: Pick<ToolCall, "turn_id" | "step" | "call_id">) => `${call.turn_id} ${call.step} ${call.call_id}`;

function asked({ turn_id, step = 0, seq, content }: Message): OnLog[] {
  return toolUses(content).map(({ id }, index) => ({
    turn_id,
    step,
    call_id: id,
    asked_at: seq,
    isBeyond: index >= maxToolCallsPerStep,
    started: 0,
    requested: 0,
    resolved: 0,
    completed: 0,
    passed: null,
  }));
}

const places = {
  "tool.started": "started",
  "tool.completed": "completed",
  "approval.requested": "requested",
  "approval.resolved": "resolved",
} as const;

/** The calls of each turn by their ids: a later step may use an id again. */
class CallsOnLog {
  readonly all: OnLog[] = [];
  private readonly newest = new Map<string, Map<string, OnLog>>();
  private readonly report: Report;

  constructor(report: Report) {
    this.report = report;
  }

  ask(row: Message): void {
    this.pass(row.turn_id, "the next answer", row.seq);
    const calls = asked(row);
    this.all.push(...calls);
    const known = this.newest.get(row.turn_id) ?? new Map<string, OnLog>();
    for (const call of calls) known.set(call.call_id, call);
    this.newest.set(row.turn_id, known);
  }

  pass(turnId: string, by: string, seq: number): void {
    for (const call of this.newest.get(turnId)?.values() ?? []) {
      if (!call.isBeyond && call.completed === 0) call.passed ??= { by, seq };
    }
  }

  note(row: CallEvent): void {
    const { turn_id = "", type, data, seq } = row;
    const { call_id } = data;
    const call = this.newest.get(turn_id)?.get(call_id);
    if (!call) return this.report("I2", `${type} of call ${call_id}, which nothing asked for`, seq);
    if (call.completed > 0) this.report("I2", `${type} of call ${call_id}, which has its result`, seq);
    const place = places[type];
    if (type !== "tool.completed" && call[place] > 0) this.report("I6", `${type} of call ${call_id} again`, seq);
    call[place] = seq;
    if (call.requested > call.resolved && (type === "tool.started" || type === "tool.completed"))
      this.report("I6", `${type} of call ${call_id}, while a person is asked`, seq);
    // A damaged log is repaired where it was found; the transcript puts the result where it belongs.
    if (type === "tool.completed" && data.is_error && data.duration_ms === null) call.passed = null;
  }
}

/** Each call's row of state says what the log says. */
function compare(call: OnLog, row: ToolCall | undefined, report: Report): void {
  const { call_id, asked_at, started, requested, resolved, completed } = call;
  const placed = started || requested;
  if (!row) {
    if (placed > 0) report("I2", `call ${call_id} was placed, but has no row`, placed);
    return;
  }
  if (placed === 0) report("I2", `call ${call_id} has a row, but was not placed`, asked_at);
  if (row.asked_at_seq !== asked_at) report("I2", `call ${call_id} says it was asked at ${row.asked_at_seq}`, asked_at);
  const isPending = row.state === "pending";
  if (isPending && completed > 0) report("I2", `call ${call_id} is pending with a result`, completed);
  if (!isPending && completed === 0) report("I2", `call ${call_id} is completed without a result`, asked_at);
  const isOpen = requested > 0 && resolved === 0;
  if (isPending && waitsForPerson(row) !== isOpen)
    report(
      "I2",
      `call ${call_id} is ${isOpen ? "" : "not "}open to a person on the log, and otherwise by its row`,
      placed,
    );
}

function checkPending({ conversation, calls }: SessionRows, report: Report): void {
  const { phase, status, turn_id, step, pending_calls, person_calls = 0 } = conversation;
  const open = calls.filter(({ state }) => state === "pending");
  for (const call of open) {
    const isOfStep = phase === "tools" && call.turn_id === turn_id && call.step === step - 1;
    if (!isOfStep) report("I2", `call ${call.call_id} is pending, but nobody waits for it`, call.asked_at_seq);
  }
  if (pending_calls !== open.length) report("I2", `${pending_calls} calls are counted, ${open.length} are pending`);
  const persons = open.filter(waitsForPerson).length;
  if (status === "waiting" && conversation.due_at !== conversation.person_due_at)
    report("I5", "waits for persons, and is not due at their deadline");
  if (person_calls !== persons) report("I2", `${person_calls} calls of persons are counted, ${persons} are pending`);
  if (phase !== "tools") return;
  if (pending_calls === 0) report("I2", "the turn waits for calls, and none is pending");
  const expected = persons === open.length ? "waiting" : "tools";
  if (status !== expected) report("I5", `${status}, where ${persons} of ${open.length} calls wait for a person`);
}

/** I2: answers, their calls and results, the calls' own rows and the count of those that are open. */
export function checkCalls(rows: SessionRows, report: Report): void {
  const { conversation, log } = rows;
  const onLog = new CallsOnLog(report);
  for (const row of log) {
    if (row.kind === "message" && row.role === "assistant") onLog.ask(row);
    if (row.kind !== "event") continue;
    if (isOfCall(row)) onLog.note(row);
    if (row.type === "turn.ended") onLog.pass(row.turn_id ?? "", "the turn's end", row.seq);
  }
  if (conversation.phase === "model" || conversation.phase === "checkpoint")
    onLog.pass(conversation.turn_id ?? "", `the phase ${conversation.phase}`, conversation.head);
  const stored = new Map(rows.calls.map((call) => [keyOf(call), call]));
  for (const call of onLog.all) {
    const { call_id, passed } = call;
    if (passed) report("I2", `call ${call_id} has no result before ${passed.by}`, passed.seq);
    // What a fork's log was begun with was called elsewhere.
    if (call.asked_at <= (conversation.forked?.until ?? 0)) continue;
    compare(call, stored.get(keyOf(call)), report);
    stored.delete(keyOf(call));
  }
  for (const { call_id, asked_at_seq } of stored.values())
    report("I2", `call ${call_id} has a row, but nothing asked for it`, asked_at_seq);
  checkPending(rows, report);
}
