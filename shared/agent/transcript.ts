import { readConversation, type Conversation } from "../domain/conversation/conversation.ts";
import type { SessionKey, TimelineRow } from "../domain/timeline/row.ts";
import { readTimeline } from "../domain/timeline/timeline.ts";
import { repairCalls } from "../domain/turn/repair.ts";
import { fingerprintOf } from "../domain/turn/request.ts";
import { type Claim, holds } from "../domain/turn/step.decisions.ts";
import { Transcript } from "../domain/turn/transcript.ts";
import type { Reader } from "../domain/turn/transcript-blocks.ts";
import { AppError } from "../errors.ts";
import type { StepDeps } from "./step-deps.ts";
import { LeaseLost } from "./stream-answer.ts";

/** Rises with every change of how a log is shown to the model: thoughts of before are bound to what it was shown. */
const transcriptVersion = 2;
const maxRepairs = 20;

const prints = new WeakMap<StepDeps["tools"], { system: string; print: string }>();

function readerOf({ turnModel: model, system, tools }: StepDeps, forgetsUntil: number | undefined): Reader {
  const known = prints.get(tools);
  if (known?.system === system) return { model, boundTo: known.print, forgetsUntil };
  const print = fingerprintOf([transcriptVersion, system, tools]).slice(0, 16);
  prints.set(tools, { system, print });
  return { model, boundTo: print, forgetsUntil };
}

/** The log after what this worker knows of it. */
export interface EarlyRows {
  after: number;
  rows: Promise<TimelineRow[]>;
}

/** What is committed by now is among these rows. */
export function readEarly(deps: StepDeps, key: SessionKey): EarlyRows {
  const after = deps.transcripts.get(key)?.head ?? 0;
  return { after, rows: readTimeline(deps, key, { after }).then(({ rows }) => rows) };
}

async function readTranscript(
  deps: StepDeps,
  key: SessionKey,
  reader: Reader,
  early: EarlyRows | null,
): Promise<Transcript> {
  const known = deps.transcripts.get(key);
  const transcript = known?.isFor(reader) ? known : (known?.for(reader) ?? new Transcript(reader));
  const isEarly = early?.after === transcript.head;
  const rows = isEarly ? await early.rows : (await readTimeline(deps, key, { after: transcript.head })).rows;
  const fresh = rows.filter(({ seq }) => seq > transcript.head);
  transcript.add(fresh);
  deps.transcripts.keep(key, transcript, fresh);
  return transcript;
}

/** A step, as far as a request needs it. */
export interface Asking {
  key: SessionKey;
  claim: Claim;
  conversation: Pick<Conversation, "thoughts_from">;
  /** Read before, of the state that was claimed. */
  log?: EarlyRows | null;
}

/** The transcript for the step's model, with a result for every call: a lost one is replaced on the log first. */
export async function transcriptOf(
  deps: StepDeps,
  { key, claim, conversation, log = null }: Asking,
): Promise<{ transcript: Transcript; boundTo: string }> {
  const reader = readerOf(deps, conversation.thoughts_from);
  for (let repairs = 0; repairs < maxRepairs; repairs += 1) {
    // A repair appends to the log.
    const transcript = await readTranscript(deps, key, reader, repairs === 0 ? log : null);
    const dangling = transcript.dangling();
    if (dangling.length === 0) return { transcript, boundTo: reader.boundTo };
    if (await repairCalls(deps, key, claim, transcript.head, dangling)) continue;
    const current = await readConversation(deps.table, key);
    if (!current || !holds(current, claim)) throw new LeaseLost();
  }
  throw new AppError("busy");
}
