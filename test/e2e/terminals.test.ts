import type { Session } from "../../shared/protocol/session.ts";
import type { ServerEvent } from "../../shared/protocol/server-event.ts";
import type { Terminal } from "../../shared/protocol/terminal.ts";
import type { ApiSocket } from "../../scripts/demo/client.ts";
import { killSupervisors, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(90_000);

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;
let socket: ApiSocket;
let session: Session;

beforeAll(async () => {
  local = await startLocalPlatform();
  person = await signUp(local.platform);
  socket = await person.api.connect(person.webSocketUrl);
  session = await person.api.call<Session>("POST", "/sessions", {});
  await socket.ask({ type: "session.subscribe", session_id: session.id });
});
afterAll(async () => {
  await local.platform.stop();
  local.forget();
});

type Output = Extract<ServerEvent, { type: "terminal.output" }>["data"];

/** As a client puts it together: by offset, whatever came twice or early. */
function screenOf({ events }: ApiSocket, terminal_id: string): string {
  const pieces = events.flatMap((event) => (event.type === "terminal.output" ? [event.data as Output] : []));
  let text = "";
  for (const piece of pieces.filter((one) => one.terminal_id === terminal_id).toSorted((a, b) => a.offset - b.offset)) {
    if (piece.offset <= text.length) text += piece.data.slice(text.length - piece.offset);
  }
  return text;
}

async function see(at: ApiSocket, terminal_id: string, what: RegExp): Promise<RegExpExecArray> {
  const until = Date.now() + 20_000;
  for (;;) {
    const found = what.exec(screenOf(at, terminal_id));
    if (found) return found;
    if (Date.now() > until)
      throw new Error(`no ${what.source} in ${JSON.stringify(screenOf(at, terminal_id).slice(-400))}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a terminal in a session without a sandbox: it starts one; another viewer joins; the sandbox dies", async () => {
  const { id: session_id } = session;
  const of = { session_id, terminal_id: "first" };
  const opened = await socket.ask({ type: "terminal.open", ...of, cols: 100, rows: 30 }, 30_000);
  expect(opened).toMatchObject({ terminal: { terminal_id: "first", cols: 100, rows: 30 } });
  let n = 0;
  const type = (data: string) => socket.ask({ type: "terminal.input", ...of, data, n: (n += 1) - 1 });

  await Promise.all(["ec", "ho typed; ", "stty size; id", " -u; tput co", "lors\r"].map(type));
  await see(socket, "first", /[\r\n]typed\r\n30 100\r\n1000\r\n256\r\n/);
  const pressed = performance.now();
  await type("#");
  const acked = performance.now() - pressed;
  await see(socket, "first", /#$/);
  process.stdout.write(
    `terminal: a key is acked after ${acked.toFixed(0)} ms, seen after ${(performance.now() - pressed).toFixed(0)} ms\n`,
  );

  await type("\u0003sleep 500\r");
  await see(socket, "first", /sleep 500\r\n/);
  await type("\u0003echo $?\r");
  await see(socket, "first", /[\r\n]130\r\n/);
  await type("echo from-the-terminal > note.txt; trap 'stty size' WINCH\r");
  await socket.ask({ type: "terminal.resize", ...of, cols: 120, rows: 40 });
  await see(socket, "first", /40 120\r\n/);

  const other = await person.api.connect(person.webSocketUrl);
  const attached = await other.ask({ type: "terminal.attach", ...of });
  expect(attached).toMatchObject({ terminal: { cols: 120, rows: 40 } });
  const { offset } = attached["terminal"] as Terminal;
  const until = Date.now() + 5000;
  while (screenOf(other, "first").length < offset && Date.now() < until)
    await new Promise((done) => setTimeout(done, 20));
  expect(screenOf(other, "first")).toBe(screenOf(socket, "first").slice(0, screenOf(other, "first").length));

  const { data } = await person.api.call<{ data: Terminal[] }>("GET", `/sessions/${session_id}/terminals`);
  expect(data).toMatchObject([{ terminal_id: "first", cols: 120, rows: 40, start: 0 }]);

  expect(killSupervisors()).toBe(1);
  await socket.waitFor("container.lost");
  expect(await person.api.call("GET", `/sessions/${session_id}/terminals`)).toEqual({ data: [] });
  await expect(type("x")).rejects.toMatchObject({ code: "sandbox_unavailable" });
  await other.close();
});
