import type { DurableEvent } from "../../shared/protocol/server-event.ts";
import type { Kill, Kind } from "./killer.ts";

export interface SessionLog {
  log: DurableEvent[];
  /** Of its sandboxes. */
  taskIds: string[];
}

export interface Quantiles {
  /** Kills that had a turn to disturb. */
  kills: number;
  p50: number;
  p90: number;
  max: number;
}

/** When turns ran, by the server's clock. */
function turnsOf(log: DurableEvent[]): { from: number; to: number; isInTool(at: number): boolean }[] {
  return log.flatMap((event) => {
    if (event.type !== "turn.started") return [];
    const end = log.find(({ type, turn_id }) => type === "turn.ended" && turn_id === event.turn_id);
    const inTool = (at: number) => {
      const before = log.filter((each) => each.turn_id === event.turn_id && Date.parse(each.at) <= at);
      const count = (type: DurableEvent["type"]) => before.filter((each) => each.type === type).length;
      return count("tool.started") > count("tool.completed");
    };
    return [{ from: Date.parse(event.at), to: end ? Date.parse(end.at) : Infinity, isInTool: inTool }];
  });
}

/** Of a sandbox its own session's; a worker's is not known, and the whole platform's are all: the last of them counts. */
function disturbed(kill: Kill, sessions: SessionLog[]) {
  const its =
    kill.kind === "sandbox" ? sessions.filter(({ taskIds }) => taskIds.includes(kill.taskId ?? "")) : sessions;
  return its.flatMap(({ log }) => turnsOf(log)).filter(({ from, to }) => from <= kill.at && kill.at < to);
}

/** From each kill to the end of the turns that it may have disturbed, in ms: what they had to do anyway, and later kills, included. */
export function recoveryOf(kills: Kill[], sessions: SessionLog[]): Record<Kind | "sandbox in a tool", Quantiles> {
  const times = (
    chosen: Kill[],
    wants: (kill: Kill, turn: ReturnType<typeof turnsOf>[number]) => boolean = () => true,
  ) =>
    chosen.flatMap((kill) => {
      const turns = disturbed(kill, sessions).filter((turn) => wants(kill, turn));
      return turns.length === 0 ? [] : [Math.max(...turns.map(({ to }) => to - kill.at))];
    });
  const of = (kind: Kind) => kills.filter((kill) => kill.kind === kind);
  return {
    worker: quantiles(times(of("worker"))),
    sandbox: quantiles(times(of("sandbox"))),
    "sandbox in a tool": quantiles(times(of("sandbox"), (kill, turn) => turn.isInTool(kill.at))),
    platform: quantiles(times(of("platform"))),
  };
}

function quantiles(times: number[]): Quantiles {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { kills: sorted.length, p50: at(0.5), p90: at(0.9), max: at(1) };
}
