import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import { toEvent, type MessageRow } from "../../../shared/domain/timeline/row.ts";
import type { SendMessageAnswer } from "../../../shared/protocol/conversation.ts";
import type { Client } from "../world/client.ts";
import type { World } from "../world/world.ts";
import { checkBudget } from "./budget.ts";
import { checkPromises } from "./promises.ts";

type Complain = (text: string) => void;

const isMessage = (row: SessionRows["log"][number]): row is MessageRow & { seq: number; at: number } =>
  row.kind === "message";

/** Each prompt that was acknowledged is on the log once, where the answer said, in the order of the answers. */
function checkPrompts({ log }: SessionRows, client: Client, complain: Complain): void {
  let before = 0;
  for (const { action, answer, refused } of client.done) {
    if (action.kind !== "prompt") continue;
    const says = ({ content }: MessageRow) => content.some((block) => "text" in block && block.text === action.content);
    const found = log.filter(isMessage).filter((row) => row.role === "user" && says(row));
    const fate = refused ?? "acknowledged";
    if (found.length !== (answer ? 1 : 0)) complain(`I1 "${action.content}" is there ${found.length} times, ${fate}`);
    if (!answer) continue;
    const { seq, message_id } = answer as SendMessageAnswer;
    if (found[0]?.seq !== seq || found[0].message_id !== message_id)
      complain(`I1 "${action.content}" is not at ${seq}`);
    if (seq <= before) complain(`I1 "${action.content}" is before what was acknowledged earlier`);
    before = seq;
  }
}

/** What is billed is what the model counted, each call once. Answers how many calls came to nothing. */
function checkLedger({ ledger, key }: SessionRows, world: World, complain: Complain): number {
  const own = world.model.calls.filter(({ session }) => session === key.session_id);
  const counted = new Set(own.map(({ input_tokens }) => input_tokens));
  const billed = ledger.map(({ input_tokens }) => input_tokens).filter((tokens) => tokens >= world.cast.firstId);
  for (const [at, tokens] of billed.entries()) {
    if (!counted.has(tokens)) complain(`I3 ${tokens} tokens are billed, which the model did not count`);
    if (billed.indexOf(tokens) !== at) complain(`I3 one call of ${tokens} tokens is billed twice`);
  }
  return counted.size - billed.length;
}

/** A call comes to nothing by a fault, or because somebody broke it off before it counted. */
function checkWaste(wasted: number, world: World, complain: Complain): void {
  const breaks = world.scenario.scripts.flatMap(({ actions }) =>
    actions.filter(
      (action) => action.kind === "interrupt" || (action.kind === "prompt" && action.delivery === "interrupt"),
    ),
  );
  const allowed = world.kernel.faults.injected.length + breaks.length;
  if (wasted > allowed) complain(`I8 ${wasted} model calls came to nothing, by ${allowed} faults and interrupts`);
}

function checkCounters(world: World, complain: Complain): void {
  let ledger = 0;
  let counted = 0;
  for (const row of world.table.rows.itemsOf(null)) {
    if (row["__edb_e__"] === "tokenUsage") ledger += Number(row["input_tokens"]) + Number(row["output_tokens"]);
    if (row["__edb_e__"] === "usageCounter" && row["spender"] === "tenant") counted += Number(row["tokens"]);
  }
  if (ledger !== counted) complain(`I3 ${ledger} tokens in the ledger, ${counted} counted`);
}

/** No call begins twice, in one sandbox or in two. */
function checkStarts(world: World, complain: Complain): void {
  const begun = new Set<string>();
  for (const { starts, identity } of world.provider.sandboxes.values()) {
    for (const call of starts.keys()) {
      if (begun.has(call)) complain(`I6 ${call} began again in epoch ${identity.epoch}`);
      begun.add(call);
    }
    for (const [call, times] of starts)
      if (times > 1) complain(`I6 ${call} began ${times} times in epoch ${identity.epoch}`);
  }
}

/** Two clocks may be so far apart. */
const skewMs = 4000;

/** A push that goes through later changes its checkpoint's row, and says so with an event of its own. */
function asHeard(event: string): string {
  const [type, data] = JSON.parse(event) as [string, Record<string, unknown>];
  if (type !== "checkpoint.created") return event;
  const { branch: _branch, push_status: _status, push_error: _error, ...made } = data;
  return JSON.stringify([type, made]);
}

/** Who watched, and then asked for the rest, has the log. */

function checkWatcher({ log: all, key }: SessionRows, client: Client, complain: Complain): void {
  if (!client.watches) return;
  const log = all.filter(({ at, seq }) => at < client.askedAt - skewMs || client.heard.has(seq));
  if (client.heard.size !== log.length) complain(`I7 a watcher heard ${client.heard.size} of ${log.length} rows`);
  for (const row of log) {
    const { type, seq, data } = toEvent(key, row);
    const isSame = asHeard(client.heard.get(seq) ?? "[]") === asHeard(JSON.stringify([type, data]));
    if (!isSame)
      complain(`I7 a watcher heard another row ${seq}: ${client.heard.get(seq)} for ${JSON.stringify(data)}`);
  }
}

/** What only the simulator sees. Answers how many model calls came to nothing. */
export function checkSeen(world: World, sessions: SessionRows[], complain: Complain): number {
  let wasted = 0;
  for (const [at, rows] of sessions.entries()) {
    const client = world.clients[at] as Client;
    checkPrompts(rows, client, complain);
    checkWatcher(rows, client, complain);
    wasted += checkLedger(rows, world, complain);
    checkPromises(rows, client, world, complain);
  }
  checkWaste(wasted, world, complain);
  if (world.sweeps > 0 && world.kernel.faults.injected.length === 0)
    complain(`I5 nothing failed, and ${world.sweeps} sweeps had to find the work`);
  checkCounters(world, complain);
  checkStarts(world, complain);
  checkBudget(world, sessions, complain);
  for (const text of [...world.model.complaints, ...world.table.trespasses, ...world.table.claims.complaints])
    complain(text);
  for (const text of world.kernel.unheard) complain(`a failure that nobody hears: ${text}`);
  for (const { process, error } of world.kernel.thrown) {
    if (error instanceof TypeError || error instanceof ReferenceError)
      complain(`${process.kind} threw ${String(error)}`);
  }
  return wasted;
}
