import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { toolboxSocketName } from "../../../containers/sandbox/src/link/toolbox-frame.ts";
import { SandboxTask } from "./support/sandbox-task.ts";

jest.setTimeout(60_000);

let task: SandboxTask;
beforeAll(() => {
  task = new SandboxTask();
  task.startToolbox();
});
afterAll(() => task.stop());

async function dial(): Promise<Socket> {
  for (;;) {
    const socket = connect(join(task.sockets, toolboxSocketName)).resume();
    socket.on("error", () => undefined);
    const isOpen = await new Promise((resolve) =>
      socket.once("connect", () => resolve(true)).once("close", () => resolve(false)),
    );
    if (isOpen) return socket;
    await pause(50);
  }
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** The answer to a question about files, which is the connection's only line. */
async function listed(): Promise<string> {
  const socket = await dial();
  socket.write(`${JSON.stringify({ op: "file", ask: { call: "list", body: { path: "", depth: 1, limit: 100 } } })}\n`);
  const chunk = await new Promise<Buffer>((resolve, reject) =>
    socket.once("data", resolve).once("close", () => reject(new Error("closed"))),
  );
  socket.destroy();
  return chunk.toString("utf8");
}

test("a first line without an end, a flood of silent connections and nonsense end those connections alone", async () => {
  const { toolbox } = task;
  const long = await dial();
  const ended = closed(long);
  const megabyte = Buffer.alloc(1024 * 1024, "x");
  for (let sent = 0; sent < 40 && !long.destroyed; sent += 1) {
    if (!long.write(megabyte)) await Promise.race([new Promise((resolve) => long.once("drain", resolve)), ended]);
  }
  await ended;
  const silent: Socket[] = [];
  for (let number = 0; number < 200; number += 1) silent.push(await dial());
  for (const socket of silent) socket.write("x".repeat(1000));
  const nonsense = await dial();
  const refused = closed(nonsense);
  nonsense.write('{"op":"control"\n\0\n');
  await refused;
  expect(await listed()).toContain('"entries"');
  expect(silent.filter((socket) => !socket.destroyed).length).toBeLessThan(40);
  for (const socket of silent) socket.destroy();
  expect([toolbox?.exitCode, toolbox?.signalCode]).toEqual([null, null]);
});
