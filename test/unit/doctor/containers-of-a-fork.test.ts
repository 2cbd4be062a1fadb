import { checkContainers } from "../../../shared/domain/doctor/containers.decisions.ts";
import type { SessionRows } from "../../../shared/domain/doctor/rows.ts";

function told(type: string, seq: number) {
  return { kind: "event", type: `container.${type}`, seq, at: seq, data: { epoch: 1 } };
}

/** The log of a session whose fork, after row 2, has a container of its own. */
function forkWith(log: object[]): SessionRows {
  const container = { epoch: 1, status: "ready", ready_at: 5, ended_at: undefined };
  const conversation = { epoch: 1, forked: { until: 2 } };
  return { conversation, containers: [container], calls: [], log } as unknown as SessionRows;
}

function found(log: object[]): string[] {
  const violations: string[] = [];
  checkContainers(forkWith(log), (_invariant, text) => void violations.push(text));
  return violations;
}

test("the containers of the session that a fork was made of are not its own", () => {
  const copied = [told("starting", 1), told("ready", 2)];
  expect(found([...copied, told("starting", 4), told("ready", 5)])).toEqual([]);
  expect(found([...copied, told("starting", 4), told("ready", 5), told("starting", 6)])).toEqual([
    "container 1 started 2 times",
  ]);
  expect(found(copied)).toHaveLength(2);
});
