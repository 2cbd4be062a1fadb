import { assumed, billOf } from "../../support/request-units/prices.ts";
import { countToolTurn, type Counted, type ToolTurn } from "../../support/request-units/tool-turn.ts";

const tools = 10;
/** Of Claude Managed Agents, US dollars for an hour in which a session runs. */
const peerHour = 0.08;

let counted: ToolTurn;

beforeAll(async () => {
  counted = await countToolTurn(tools, "team");
}, 120_000);

/** Who makes it cheaper writes the new figure here, and into docs/performance.md. */
const known: Record<keyof ToolTurn, Counted> = {
  prompt: { reads: 5, writes: 21, requests: 6, sends: 1, posts: 2, frames: 1, steps: 0 },
  toolStep: { reads: 7, writes: 28, requests: 8, sends: 1, posts: 5, frames: 1, steps: 1 },
  lastStep: { reads: 8.5, writes: 18, requests: 9, sends: 1, posts: 4, frames: 0, steps: 1 },
  checkpoint: { reads: 3, writes: 12, requests: 4, sends: 0, posts: 2, frames: 1, steps: 0 },
  heartbeat: { reads: 1, writes: 2, requests: 2, sends: 0, posts: 1, frames: 1, steps: 0 },
  turn: { reads: 96, writes: 336, requests: 116, sends: 16, posts: 64, frames: 18, steps: 11 },
};

test.each(Object.keys(known) as (keyof ToolTurn)[])(
  "%s costs what it is known to cost, no more and no less",
  (part) => {
    expect(counted[part]).toEqual(known[part]);
  },
);

test("looks at the tools are asked for once in their interval, not once a step", () => {
  // The prompt's own, one for each result, one for the checkpoint; the rest are looks.
  const looks = counted.turn.sends - 1 - tools - 1;
  expect(looks).toBeLessThanOrEqual(tools / 2);
});

test("the platform's part of a turn with a minute of the model costs at most half of what a running minute costs elsewhere", () => {
  const { total } = billOf(counted.turn);
  const elsewhere = (peerHour * assumed.modelSeconds) / 3600;
  expect(total / elsewhere).toBeLessThanOrEqual(0.5);
});
