import type { Container } from "../container/container.ts";
import { hasNotEnded, isLive } from "../container/container.decisions.ts";
import type { TimelineRow } from "../timeline/row.ts";
import type { SessionRows } from "./rows.ts";
import type { Report } from "./violation.ts";

interface Told {
  starting: number[];
  ready: number[];
  ended: number[];
}

function toldOf(log: TimelineRow[]): Map<number, Told> {
  const told = new Map<number, Told>();
  for (const row of log) {
    if (
      row.kind !== "event" ||
      !row.type.startsWith("container.") ||
      row.type === "container.setup" ||
      !("epoch" in row.data)
    )
      continue;
    const { epoch } = row.data;
    const of = told.get(epoch) ?? { starting: [], ready: [], ended: [] };
    told.set(epoch, of);
    if (row.type === "container.starting") of.starting.push(row.seq);
    else if (row.type === "container.ready") of.ready.push(row.seq);
    else of.ended.push(row.seq);
  }
  return told;
}

function checkEvents(container: Container, told: Told | undefined, report: Report): void {
  const { epoch, ready_at } = container;
  const { starting = [], ready = [], ended = [] } = told ?? {};
  const wasReady = ready_at === undefined ? 0 : 1;
  const hasEnded = hasNotEnded(container) ? 0 : 1;
  if (starting.length !== 1) report("I6", `container ${epoch} started ${starting.length} times`, starting[1]);
  if (ready.length !== wasReady) report("I6", `container ${epoch} was ready ${ready.length} times`, ready[1]);
  if (ended.length !== hasEnded) report("I6", `container ${epoch} ended ${ended.length} times`, ended[1] ?? ended[0]);
}

/** I6: one container after the other, each told once; and no call is of one that is not there. */
export function checkContainers({ conversation, containers, calls, log }: SessionRows, report: Report): void {
  // A fork's log begins with another session's containers.
  const told = toldOf(log.filter(({ seq }) => seq > (conversation.forked?.until ?? 0)));
  let newest = 0;
  for (const container of containers) {
    const { epoch } = container;
    if (epoch !== newest + 1) report("I6", `container ${epoch} follows ${newest}`);
    newest = epoch;
    if (epoch < conversation.epoch && isLive(container))
      report("I6", `container ${epoch} lives beside ${conversation.epoch}`);
    checkEvents(container, told.get(epoch), report);
    told.delete(epoch);
  }
  if (newest !== conversation.epoch)
    report("I6", `the newest container is ${conversation.epoch}, but ${newest} is there`);
  for (const [epoch, { starting, ready, ended }] of told)
    report("I6", `container ${epoch} is on the log, but not there`, [...starting, ...ready, ...ended][0]);
  for (const { call_id, epoch, asked_at_seq } of calls)
    if (epoch > conversation.epoch) report("I6", `call ${call_id} is of container ${epoch}`, asked_at_seq);
}
