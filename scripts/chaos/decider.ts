import { setTimeout as pause } from "node:timers/promises";
import type { ApprovalAnswer } from "../../shared/protocol/approval.ts";
import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import type { Talker } from "./talker.ts";

type Requested = Extract<DurableEvent, { type: "approval.requested" }>;

const lookMs = 200;
const longestThoughtMs = 3000;

function asked({ client, from }: Talker): Requested[] {
  return client.session
    .log()
    .filter((text) => text.includes('"type":"approval.requested"'))
    .map((text) => JSON.parse(text) as Requested)
    .filter(({ seq }) => seq > from);
}

function verdictOn({ kind }: Requested["data"], random: () => number) {
  if (random() < 0.3) return { decision: "deny", note: "not now" };
  return kind === "question" ? { decision: "answer", answer: "this one" } : { decision: "approve" };
}

/** The first answer counts: of two at most one is taken. */
async function decide(talker: Talker, { data }: Requested, random: () => number): Promise<void> {
  const times = random() < 0.25 ? 2 : 1;
  const answers = await Promise.all(
    Array.from({ length: times }, async () => {
      await pause(random() * longestThoughtMs);
      const path = `/approvals/${data.approval_id}`;
      return talker.attempt<ApprovalAnswer>(["not_found"], "POST", path, verdictOn(data, random));
    }),
  );
  const taken = answers.filter((answer) => answer !== null);
  if (taken.length > 1) talker.deeds.refused.push(`${data.approval_id} was decided ${taken.length} times`);
  for (const { decision } of taken) talker.deeds.decisions.set(data.approval_id, decision);
}

/** Answers whatever a session asks, after a while, now and then twice, until its client is closed. */
export async function decideAll(talker: Talker, random: () => number): Promise<void> {
  const seen = new Set<string>();
  while (!talker.client.isClosed) {
    for (const request of asked(talker)) {
      if (seen.has(request.data.approval_id)) continue;
      seen.add(request.data.approval_id);
      decide(talker, request, random).catch((error: unknown) => void talker.deeds.refused.push(String(error)));
    }
    await pause(lookMs, undefined, { ref: false });
  }
}
