import { Agent, request } from "node:http";
import type * as z from "zod";
import { controlKeyHeader, type DoorAnswer, doorPath, type DoorOp } from "../../shared/protocol/door.ts";
import { AppError } from "../../shared/errors.ts";

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One question at a supervisor's door, as the relay asks it, over connections that are kept. */
export function askDoor<Body extends z.ZodType, Result extends z.ZodType>(
  at: { port: number; key: string },
  { name, result }: DoorOp<Body, Result>,
  body: z.input<Body>,
): Promise<z.output<Result>> {
  return new Promise((resolve, reject) => {
    const headers = { [controlKeyHeader]: at.key, "content-type": "application/json" };
    const options = { agent, host: "127.0.0.1", port: at.port, path: `${doorPath}${name}`, method: "POST", headers };
    const sent = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString()) as DoorAnswer;
        if ("error" in answer) reject(AppError.fromWire(answer.error));
        else resolve(result.parse(answer.result));
      });
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}
