import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { maxReportLineBytes, toolboxSocketName } from "../../../containers/sandbox/src/link/toolbox-frame.ts";
import { ToolboxClient } from "../../../containers/sandbox/src/supervisor/tools/toolbox-client.ts";

const folder = mkdtempSync(join(tmpdir(), "toolbox-client-"));
const client = new ToolboxClient(folder, {
  onReport: () => undefined,
  onLost: () => undefined,
  onGone: () => undefined,
});
let open = 0;
let answer: (socket: Socket) => void = () => undefined;
let server: Server;

/** In the toolbox's place, as people's code can put itself there. */
beforeAll(async () => {
  server = createServer((socket) => {
    open += 1;
    socket.on("error", () => undefined).on("close", () => (open -= 1));
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, toolboxSocketName), resolve));
});
afterAll(() => {
  client.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function allClosed(): Promise<boolean> {
  for (let looks = 0; open > 0 && looks < 40; looks += 1) await new Promise((resolve) => setTimeout(resolve, 25));
  return open === 0;
}

it("keeps no connection where nothing listens: a page that looks again and again would use them all up", async () => {
  answer = (socket) => socket.end('{"connected":false}\n');
  for (let tries = 0; tries < 5; tries += 1) await expect(client.dialPort(3000)).rejects.toThrow("nothing listens");
  expect(await allClosed()).toBe(true);
});

it("outlives an answer without an end, and one that is none", async () => {
  answer = (socket) => socket.write(Buffer.alloc(2 * maxReportLineBytes, "x"));
  await expect(client.dialPort(3000)).rejects.toThrow("nothing listens");
  answer = (socket) => socket.write("{}\n");
  await expect(client.dialPort(3000)).rejects.toThrow("nothing listens");
  expect(await allClosed()).toBe(true);
});

it("passes on what comes with the answer", async () => {
  answer = (socket) => socket.write('{"connected":true}\nhello');
  const socket = await client.dialPort(3000);
  const first = new Promise((resolve) => socket.once("data", (data: Buffer) => resolve(data.toString())));
  socket.resume();
  expect(await first).toBe("hello");
  socket.destroy();
  expect(await allClosed()).toBe(true);
});
