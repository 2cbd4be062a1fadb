import { randomUUID } from "node:crypto";
import { findContainer, patchContainer } from "../../../shared/domain/container/container.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { fakeDoor } from "../../support/fakes.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { runningSandbox, terminalAnswers } from "../../support/running-sandbox.ts";
import { socketDriver, type Reply } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let owner: TokenAnswer;
let key: { tenant_id: string; session_id: string };
let socket: string;

beforeAll(async () => {
  platform = await startHttpPlatform();
  Object.assign(door().answers, terminalAnswers);
});
afterAll(() => platform.stop());
beforeEach(async () => {
  owner = await found();
  const made = await platform.send("POST", "/sessions", {}, owner.access_token);
  key = { tenant_id: owner.tenant.id, session_id: String(made.body["id"]) };
  socket = await userConnection(owner);
});

const { found, join } = people(() => platform);
const { say, report, posted, userConnection, sandboxConnection } = socketDriver(() => platform);
const door = () => platform.deps.door as ReturnType<typeof fakeDoor>;

const frame = (type: string, more: Record<string, unknown> = {}) => ({
  type,
  request_id: randomUUID(),
  session_id: key.session_id,
  ...more,
});
const of = (connection: string, type: string) => posted(connection).filter((event) => event.type === type);
const data = (event: Reply | undefined) => event?.["data"];

/** A sandbox that says what a supervisor does. */
async function linked() {
  const link = await sandboxConnection(key.tenant_id, key.session_id);
  await runningSandbox(platform.deps, key, { connection_id: link });
  const tell = (type: string, more: Record<string, unknown>) => report(link, { type, frame_id: randomUUID(), ...more });
  return { link, tell, commands: () => posted(link).filter(({ type }) => type.startsWith("terminal.")) };
}

const output = (offset: number, text: string) => ({ terminal_id: "trm", offset, data: text });
const changed = (change: string) => ({
  terminal_id: "trm",
  change,
  cols: 90,
  rows: 20,
  offset: 7,
  exit_code: change === "closed" ? 3 : null,
});

test("what is typed reaches the sandbox with who typed it; what it prints reaches all who watch", async () => {
  const { tell, commands } = await linked();
  const viewer = await userConnection(await join(owner, "viewer"));
  for (const one of [socket, viewer]) await say(one, frame("session.subscribe"));
  const opened = await say(socket, frame("terminal.open", { terminal_id: "mine", cols: 90, rows: 20 }));
  expect(opened?.result).toMatchObject({ terminal: { terminal_id: "mine", cols: 90, rows: 20 } });
  for (const sent of [
    frame("terminal.input", { terminal_id: "trm", data: "ls\n", n: 4 }),
    frame("terminal.input", { terminal_id: "trm", data: "ls\n" }),
    frame("terminal.resize", { terminal_id: "trm", cols: 90, rows: 20 }),
    frame("terminal.close", { terminal_id: "trm" }),
  ])
    expect((await say(socket, sent))?.result).toEqual({});
  expect(commands()).toEqual([
    { type: "terminal.input", terminal_id: "trm", data: "ls\n", n: 4, writer: socket },
    { type: "terminal.input", terminal_id: "trm", data: "ls\n", writer: socket },
    { type: "terminal.resize", terminal_id: "trm", cols: 90, rows: 20 },
    { type: "terminal.close", terminal_id: "trm" },
  ]);
  expect(await tell("sandbox.terminal_output", output(0, "a\r\n"))).toBeUndefined();
  for (const change of ["opened", "resized", "closed"])
    expect((await tell("sandbox.terminal_changed", changed(change)))?.result).toEqual({});
  for (const one of [socket, viewer]) {
    expect(data(of(one, "terminal.output")[0])).toEqual(output(0, "a\r\n"));
    expect(data(of(one, "terminal.opened")[0])).toEqual({ terminal_id: "trm", cols: 90, rows: 20 });
    expect(data(of(one, "terminal.resized")[0])).toEqual({ terminal_id: "trm", cols: 90, rows: 20 });
    expect(data(of(one, "terminal.closed")[0])).toEqual({ terminal_id: "trm", exit_code: 3, offset: 7 });
  }
});

test("viewers watch and attach, and do not type, open, resize or close", async () => {
  const { commands } = await linked();
  const viewer = await userConnection(await join(owner, "viewer"));
  for (const [type, more] of [
    ["terminal.open", {}],
    ["terminal.input", { terminal_id: "trm", data: "x" }],
    ["terminal.resize", { terminal_id: "trm", cols: 80, rows: 24 }],
    ["terminal.close", { terminal_id: "trm" }],
  ] as const)
    expect((await say(viewer, frame(type, more)))?.error?.code).toBe("forbidden");
  expect(commands()).toEqual([]);
  expect((await say(viewer, frame("terminal.attach", { terminal_id: "trm" })))?.error).toBeUndefined();
});

test("who attaches gets what is kept, in pieces that fit, and nobody else does", async () => {
  await linked();
  const other = await userConnection(owner);
  for (const one of [socket, other]) await say(one, frame("session.subscribe"));
  const text = `${"\u001b[31mäöü🦜\r\n".repeat(6000)}end`;
  const terminal = {
    terminal_id: "trm",
    cols: 80,
    rows: 24,
    opened_at: "2030-01-01T00:00:00.000Z",
    start: 100,
    offset: 100 + text.length,
  };
  door().answers["terminal.attach"] = () => ({ terminal, terminals: [terminal], kept: { offset: 100, data: text } });
  const answer = await say(socket, frame("terminal.attach", { terminal_id: "trm", after: 50 }));
  door().answers["terminal.attach"] = terminalAnswers["terminal.attach"] ?? String;
  expect(answer?.result).toEqual({ terminal, terminals: [terminal] });
  expect(door().asked.at(-1)).toMatchObject({ op: "terminal.attach", body: { terminal_id: "trm", after: 50 } });
  const pieces = of(socket, "terminal.output").map((event) => data(event) as { offset: number; data: string });
  expect(pieces.map((piece) => piece.data).join("")).toBe(text);
  expect(pieces.map((piece) => piece.offset)).toEqual(
    pieces.map((_, at) => pieces.slice(0, at).reduce((sum, piece) => sum + piece.data.length, 100)),
  );
  for (const event of of(socket, "terminal.output"))
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(32_768);
  expect(of(other, "terminal.output")).toEqual([]);
});

test("without a sandbox: one is wanted and waited for, the list is empty, and a key goes nowhere", async () => {
  const list = await platform.send("GET", `/sessions/${key.session_id}/terminals`, undefined, owner.access_token);
  expect(list).toMatchObject({ status: 200, body: { data: [] } });
  for (const type of ["terminal.input", "terminal.resize", "terminal.close"]) {
    const more = { terminal_id: "trm", ...(type === "terminal.input" ? { data: "x" } : {}) };
    const size = type === "terminal.resize" ? { cols: 80, rows: 24 } : {};
    expect((await say(socket, frame(type, { ...more, ...size })))?.error?.code).toBe("sandbox_unavailable");
  }
  expect((await say(socket, frame("terminal.attach", { terminal_id: "trm" })))?.error?.code).toBe("not_found");
  expect((await readConversation(platform.deps.table, key))?.container_wanted_until).toBeUndefined();

  const late = await say(socket, frame("terminal.open"));
  expect(late?.error?.code).toBe("sandbox_starting");
  expect((await readConversation(platform.deps.table, key))?.container_wanted_until).toBeGreaterThan(0);

  await runningSandbox(platform.deps, key, { status: "starting" });
  const { sleep } = platform.deps.clock;
  platform.deps.clock.sleep = async (ms) => {
    await sleep.call(platform.deps.clock, ms);
    await patchContainer(platform.deps.table, { ...key, epoch: 1 }, ["starting"], { status: "ready" });
  };
  const opened = await say(socket, frame("terminal.open"));
  platform.deps.clock.sleep = sleep;
  expect(opened?.result).toMatchObject({ terminal: { terminal_id: expect.stringMatching(/^trm_/) } });
  expect((await findContainer(platform.deps.table, key, 1))?.status).toBe("ready");
});

test.each<[string, string, Record<string, unknown>]>([
  ["of one column", "terminal.open", { cols: 1, rows: 24 }],
  ["of too many rows", "terminal.open", { cols: 80, rows: 301 }],
  ["whose id is a path", "terminal.open", { terminal_id: "../../x" }],
  ["whose id is long", "terminal.open", { terminal_id: "a".repeat(65) }],
  ["with a command", "terminal.open", { command: "sh" }],
  ["of nothing", "terminal.input", { terminal_id: "trm", data: "" }],
  ["over 16 KB of UTF-8", "terminal.input", { terminal_id: "trm", data: "ä".repeat(8193) }],
  ["before the first", "terminal.input", { terminal_id: "trm", data: "x", n: -1 }],
  ["in another's name", "terminal.input", { terminal_id: "trm", data: "x", writer: "another" }],
  ["of half a column", "terminal.resize", { terminal_id: "trm", cols: 80.5, rows: 24 }],
  ["before the beginning", "terminal.attach", { terminal_id: "trm", after: -1 }],
])("what is %s is refused: %s", async (_name, type, more) => {
  const { commands } = await linked();
  expect((await say(socket, frame(type, more)))?.error?.code).toBe("validation_failed");
  expect(commands()).toEqual([]);
});

test("another tenant's session, and one that is deleted, are not found", async () => {
  await linked();
  const stranger = await userConnection(await found());
  const asked = door().asked.length;
  for (const session_id of [key.session_id, randomUUID()])
    for (const [type, more] of [
      ["terminal.open", {}],
      ["terminal.attach", { terminal_id: "trm" }],
      ["terminal.input", { terminal_id: "trm", data: "x" }],
      ["terminal.resize", { terminal_id: "trm", cols: 80, rows: 24 }],
      ["terminal.close", { terminal_id: "trm" }],
    ] as const)
      expect((await say(stranger, { ...frame(type, more), session_id }))?.error?.code).toBe("not_found");
  expect(door().asked).toHaveLength(asked);
});
