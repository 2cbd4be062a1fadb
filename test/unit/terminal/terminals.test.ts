import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { OutgoingFrame } from "../../../containers/sandbox/src/supervisor/platform/platform-link.ts";
import { Redactor, SecretTexts } from "../../../containers/sandbox/src/supervisor/redactor.ts";
import { Terminals } from "../../../containers/sandbox/src/supervisor/terminal/terminals.ts";

const hour = 3_600_000;

beforeEach(() => jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] }));
afterEach(() => jest.useRealTimers());

const settled = () => new Promise((resolve) => setImmediate(resolve));
const secrets = new SecretTexts([["KEY", "sekrit-value"]]);

/** Terminals over a toolbox that is this test. */
function started() {
  const frames: OutgoingFrame[] = [];
  const orders: unknown[] = [];
  const dialled: unknown[] = [];
  let active = 0;
  let socket = new Duplex();
  const terminals = new Terminals({
    link: { backlog: 0, sendLive: (frame) => frames.push(frame), sendDurable: (frame) => frames.push(frame) },
    toolbox: {
      connected: async () => true,
      dialTerminal: async (hello) => {
        dialled.push(hello);
        socket = new Duplex({
          read: () => undefined,
          write: (chunk: Buffer, _encoding, done) => {
            orders.push(
              ...chunk
                .toString()
                .trim()
                .split("\n")
                .map((line) => JSON.parse(line) as unknown),
            );
            done();
          },
        });
        return socket as Socket;
      },
    },
    ready: Promise.resolve(),
    now: () => Date.now(),
    environment: async () => ({ KEY: "sekrit-value" }),
    redactor: () => new Redactor(() => secrets),
    onActivity: () => (active += 1),
  });
  const report = async (...reports: unknown[]) => {
    for (const one of reports) socket.push(`${typeof one === "string" ? one : JSON.stringify(one)}\n`);
    await settled();
  };
  const shown = () => frames.map((frame) => (frame.type === "sandbox.terminal_output" ? frame.data : "")).join("");
  const opened = async () => {
    const opening = terminals.open({ terminal_id: "t", cols: 80, rows: 24 });
    await settled();
    await report({ op: "opened" });
    return opening;
  };
  return { terminals, frames, orders, dialled, report, shown, opened, activity: () => active };
}

const key = { type: "terminal.input", terminal_id: "t", data: "x", writer: "w" } as const;

it("what people do counts as work; output counts for an hour after it; the rest does not", async () => {
  const { terminals, report, opened, activity } = started();
  await opened();
  const before = activity();
  terminals.command(key);
  expect(activity()).toBe(before + 1);
  jest.advanceTimersByTime(hour - 1000);
  await report({ op: "output", data: "building\r\n" });
  jest.advanceTimersByTime(200);
  expect(activity()).toBe(before + 2);
  jest.advanceTimersByTime(2000);
  await report({ op: "output", data: "still\r\n" });
  jest.advanceTimersByTime(200);
  expect(activity()).toBe(before + 2);
  terminals.close();
});

it("secrets go to the shell and out of what it prints, also where they come in pieces", async () => {
  const { terminals, dialled, report, opened, shown } = started();
  await opened();
  expect(dialled).toEqual([{ cols: 80, rows: 24, environment: { KEY: "sekrit-value" } }]);
  await report({ op: "output", data: "it is sek" });
  await report({ op: "output", data: "rit-val" }, { op: "output", data: "ue!" });
  jest.advanceTimersByTime(100);
  expect(shown()).toBe("it is [KEY redacted]!");
  await report({ op: "output", data: "sek" });
  jest.advanceTimersByTime(100);
  expect(shown()).toBe("it is [KEY redacted]!sek");
  terminals.close();
});

it.each<[string, unknown]>([
  ["no JSON", "no json"],
  ["what there is not", { op: "sing" }],
  ["what is no text", { op: "output", data: 7 }],
  ["too much at once", { op: "output", data: "x".repeat(16_385) }],
  ["a line without end", "x".repeat(2_000_000)],
])("a toolbox that says %s ends its own terminal, no more", async (_name, lie) => {
  const { terminals, frames, report, opened } = started();
  await opened();
  await report({ op: "opened" }, { op: "output", data: "ok" });
  expect(frames.at(-1)).toMatchObject({ type: "sandbox.terminal_output", offset: 0, data: "ok" });
  await report(lie);
  await settled();
  expect(frames.at(-1)).toMatchObject({ change: "closed", exit_code: null, offset: 2 });
  terminals.command(key);
  expect(frames.at(-1)).toMatchObject({ change: "closed", offset: 0 });
});

it("a shell that does not come up in time is given up", async () => {
  const { terminals, frames } = started();
  const opening = terminals.open({ terminal_id: "t", cols: 80, rows: 24 });
  const refused = opening.catch((error: unknown) => error);
  await settled();
  jest.advanceTimersByTime(10_000);
  expect(await refused).toMatchObject({ code: "sandbox_unavailable" });
  expect(frames).toEqual([]);
});
