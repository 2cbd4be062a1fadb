import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";
import type { CreateCheckpointAnswer, RestoreAnswer } from "../../../shared/protocol/checkpoint.ts";
import type { Client } from "../world/client.ts";
import type { World } from "../world/world.ts";

type Complain = (text: string) => void;

/** Each restore that was answered is on the log once, as it says, and none that nobody asked for. */
function checkRestores({ log }: SessionRows, client: Client, complain: Complain): void {
  const all = log.filter((row) => row.kind === "event" && row.type === "checkpoint.restored");
  const restored = new Map(all.map((row) => [row.seq, "data" in row ? row.data : null]));
  const asked = client.done.filter(({ action }) => action.kind === "restore");
  const answers = asked.flatMap(({ answer }) => (answer ? [answer as RestoreAnswer] : []));
  if (restored.size > answers.length)
    complain(`I13 ${restored.size} restores on the log, and ${answers.length} were answered`);
  const ended = answers.filter(({ state, seq }) => state === "restored" && seq !== null);
  if (new Set(ended.map(({ seq }) => seq)).size !== ended.length) complain("I13 two restores are one row of the log");
  for (const { number, what, seq } of ended) {
    const said = restored.get(seq ?? 0) as { number: number; what: string } | undefined;
    if (said?.number !== number || said.what !== what)
      complain(`I13 the restore of ${what} ${number} is not on the log at ${seq}`);
  }
}

/** A checkpoint on demand is one of the log, and there are no more of them than were asked for. */
function checkTaken({ log }: SessionRows, client: Client, complain: Complain): void {
  const asked = client.done.filter(({ action }) => action.kind === "checkpoint");
  const created = asked.filter(({ answer }) => (answer as CreateCheckpointAnswer | null)?.state === "created");
  const said = log.filter((row) => row.kind === "checkpoint" && row.message === "Manual checkpoint");
  if (said.length < created.length || said.length > asked.length)
    complain(`I13 ${created.length} checkpoints on demand were made, and ${said.length} are on the log`);
}

/** Where nothing fails, whoever wants a sandbox has it. */
function checkWishes({ containers }: SessionRows, client: Client, world: World, complain: Complain): void {
  const isWanted = client.done.some(({ action, answer }) => action.kind === "wish" && answer !== null);
  if (!isWanted || world.kernel.faults.injected.length > 0) return;
  if (containers.at(-1)?.status !== "ready") complain("I5 nothing failed, and who wanted a sandbox has none");
}

/** What a person wants of the workspace between turns ends once, and as it was told. */
export function checkOperations(rows: SessionRows, client: Client, world: World, complain: Complain): void {
  checkRestores(rows, client, complain);
  checkTaken(rows, client, complain);
  checkWishes(rows, client, world, complain);
  if (rows.conversation.operation !== undefined) complain("I5 an operation never ends");
}
