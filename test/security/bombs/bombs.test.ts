import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { signUp, type Person } from "../../support/local-platform.ts";
import { peakMiB, startPuppet, type Puppet, type PuppetSession } from "../../support/puppet.ts";
import { floodByLink } from "./link-flood.ts";

jest.setTimeout(300_000);

const backendMiB = 256;
const supervisorMiB = 512;

let puppet: Puppet;
let person: Person;
let session: PuppetSession;
let other: PuppetSession;
const figures: Record<string, Record<string, number>> = {};

const residentMiB = () => process.memoryUsage.rss() / 1024 / 1024;

beforeAll(async () => {
  ({ puppet, person } = await startPuppet());
  const stranger = await signUp(puppet.local.platform);
  [session, other] = await Promise.all([puppet.session(person), puppet.session(stranger)]);
  await Promise.all([session.bash("echo mine > mine.txt"), other.bash("echo theirs > theirs.txt")]);
});
afterAll(async () => {
  console.info(`bombs: ${JSON.stringify(figures)}`);
  await puppet.stop();
});

/** While it goes off somebody else is served; after it the session is, by the same supervisor; nothing has grown too much. */
async function survives(name: string, bomb: () => Promise<unknown>): Promise<void> {
  const { supervisor } = session.sandbox;
  const began = performance.now();
  // What the test itself has heard is no part of the backend.
  session.socket.events.length = 0;
  other.socket.events.length = 0;
  const residentBefore = residentMiB();
  let peak = residentBefore;
  const watch = setInterval(() => (peak = Math.max(peak, residentMiB())), 100);
  const going = bomb();
  going.catch(() => undefined);
  const servedFrom = performance.now();
  expect(await other.bash("cat theirs.txt")).toContain("theirs");
  const served = performance.now() - servedFrom;
  await going;
  expect((await session.bash("cat mine.txt; echo works")).slice(-1000)).toMatch(/mine\s+works/);
  clearInterval(watch);
  const told = {
    ms: Math.round(performance.now() - began),
    otherServedMs: Math.round(served),
    backendGrewMiB: Math.round(peak - residentBefore),
    supervisorPeakMiB: Math.round(peakMiB(supervisor)),
  };
  figures[name] = told;
  expect({ name, supervisor: session.sandbox.supervisor }).toEqual({ name, supervisor });
  expect({
    name,
    ...told,
    isSmall: told.backendGrewMiB < backendMiB && told.supervisorPeakMiB < supervisorMiB,
  }).toEqual({
    name,
    ...told,
    isSmall: true,
  });
}

const bash = (command: string, timeout_ms = 20_000) =>
  session.act([[{ name: "bash", input: { command, timeout_ms } }]]);

test("an output without an end", () => survives("yes", () => bash("timeout 6 yes 'a line of a flood'", 5_000)));

test("one line of a gigabyte", () => survives("line", () => bash("head -c 1G /dev/zero | tr '\\0' x", 15_000)));

test("a fork bomb", () =>
  survives("forks", async () => {
    await bash(":(){ :|:& };:", 4_000);
    // What the model does where nothing starts any more.
    await session.act([[{ name: "bash", input: { restart: true } }]]);
  }));

test("a memory bomb", () =>
  survives("memory", async () => {
    const [told] = await bash(`python3 -c 'a = []
while True: a.append(bytearray(16 * 1024 * 1024))'`);
    expect(told).toMatchObject({ isError: true, output: expect.stringMatching(/killed|memory/i) });
  }));

test("a disk bomb: large files, and one with nothing in it that says it is huge", () =>
  survives("disk", async () => {
    await bash(
      "truncate -s 500G huge.img; for i in 1 2 3; do head -c 100M /dev/urandom > big-$i; done; df -i . | tail -1",
    );
    await bash("rm -f huge.img big-*");
  }));

test("100,000 files", () =>
  survives("files", async () => {
    await bash(
      "mkdir -p many; cd many; for d in $(seq 100); do mkdir $d; (cd $d; seq 1000 | xargs touch); done; cd ..",
      60_000,
    );
    await bash("rm -rf many; cd /workspace", 60_000);
  }));

test("a storm of changes to files", () =>
  survives("events", async () => {
    const from = session.socket.events.length;
    await bash(
      `node -e 'const fs=require("fs");const until=Date.now()+4000;let n=0;while(Date.now()<until){const f="storm-"+(n++%500);fs.writeFileSync(f,String(n));if(n%3==0)fs.renameSync(f,f+"x");if(n%7==0)fs.rmSync(f,{force:true})}console.log(n)'; rm -f storm-*`,
    );
    expect(session.socket.events.slice(from).filter(({ type }) => type === "file.changed").length).toBeLessThan(200);
  }));

test("a flood in a terminal", () =>
  survives("terminal", async () => {
    const opened = await session.socket.ask({ type: "terminal.open", session_id: session.id, cols: 80, rows: 24 });
    const { terminal_id } = opened["terminal"] as { terminal_id: string };
    const data = "timeout 5 yes terminal flood\n";
    await session.socket.ask({ type: "terminal.input", session_id: session.id, terminal_id, data });
    await pause(4_000);
    await session.socket.ask({ type: "terminal.close", session_id: session.id, terminal_id });
  }));

test("a storm of ports that open", () =>
  survives("ports", async () => {
    await bash(
      `node -e 'const net=require("net");let p=20000;const until=Date.now()+5000;(function next(){if(Date.now()>until)process.exit();const all=[];for(let i=0;i<300;i++){const s=net.createServer();s.on("error",()=>{});s.listen(p++);all.push(s);if(p>60000)p=20000}setTimeout(()=>{for(const s of all)s.close();next()},700)})()'`,
    );
    const announced = session.socket.events.filter(({ type }) => type === "preview.ready").length;
    figures["announced ports"] = { announced };
    expect(announced).toBeLessThanOrEqual(64);
  }));

test("a flood of frames by whoever holds a sandbox's token", async () => {
  const hostile = await puppet.session(person);
  await hostile.bash("true");
  await survives("frames", async () => {
    const sent = await floodByLink(puppet, hostile.id, WebSocket, 5_000);
    figures["flood"] = sent;
    expect(sent["frames"]).toBeGreaterThan(100);
  });
  await person.api.reply("DELETE", `/sessions/${hostile.id}`);
  await hostile.socket.close();
});
