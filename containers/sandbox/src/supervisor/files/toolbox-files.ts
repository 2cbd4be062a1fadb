import { createReadStream } from "node:fs";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError } from "../../../../../shared/errors.ts";
import { FileAnswer, type FileCall, maxFileAnswerBytes } from "../../link/file-line.ts";
import { LineBuffer, parseLine } from "../../link/lines.ts";
import type { ToolboxClient } from "../tools/toolbox-client.ts";

const connectWaitMs = 10_000;
const answerMs = 20_000;

export type FileToolbox = Pick<ToolboxClient, "connected" | "dialFile">;

async function dial(toolbox: FileToolbox, call: FileCall): Promise<Socket> {
  if (!(await toolbox.connected(connectWaitMs)))
    throw new AppError("sandbox_unavailable", "The tool runner is not there");
  return toolbox.dialFile(call);
}

/** The answer's line; what follows it is put back. The toolbox is untrusted: whatever it says is checked by its schema. */
function answerOn(socket: Socket): Promise<unknown> {
  const buffer = new LineBuffer(maxFileAnswerBytes);
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new AppError("sandbox_unavailable", "The tool runner did not answer"));
    const timer = setTimeout(() => socket.destroy(), answerMs);
    const onData = (chunk: Buffer): void => {
      try {
        const [line] = buffer.push(chunk, 1);
        if (line === undefined) return;
        socket.off("data", onData).off("close", lost).pause();
        clearTimeout(timer);
        const rest = buffer.take();
        if (rest.length > 0) socket.unshift(rest);
        const answer = FileAnswer.parse(parseLine(line));
        if ("error" in answer) reject(AppError.fromWire(answer.error));
        else resolve(answer.result);
      } catch {
        socket.destroy();
      }
    };
    socket.on("data", onData);
    socket.once("close", () => clearTimeout(timer)).once("close", lost);
  });
}

export async function askFiles(toolbox: FileToolbox, call: FileCall): Promise<unknown> {
  const socket = await dial(toolbox, call);
  try {
    return await answerOn(socket);
  } finally {
    socket.destroy();
  }
}

/** Sends a file's bytes after the question. */
export async function putFile(toolbox: FileToolbox, call: FileCall, path: string): Promise<unknown> {
  const socket = await dial(toolbox, call);
  try {
    // It may answer before it has taken all of it: then nobody reads the rest.
    pipeline(createReadStream(path), socket, { end: false }).catch(() => undefined);
    return await answerOn(socket);
  } finally {
    socket.destroy();
  }
}

/** The answer, and the bytes behind it. */
export async function streamFile<T>(
  toolbox: FileToolbox,
  call: FileCall,
  take: (answer: unknown, bytes: Readable) => Promise<T>,
): Promise<T> {
  const socket = await dial(toolbox, call);
  try {
    return await take(await answerOn(socket), socket);
  } finally {
    socket.destroy();
  }
}
