import { request } from "node:http";
import { controlKeyHeader, DoorAnswer, doorPath, maxDoorBytes, type DoorCall } from "../protocol/door.ts";

/** The supervisor's port, in every container's task. */
const supervisorPort = 8080;

function failed(code: "sandbox_unavailable" | "payload_too_large", message: string): DoorAnswer {
  return { error: { code, message } };
}

function answerOf(status: number, body: Buffer): DoorAnswer {
  try {
    const parsed = DoorAnswer.safeParse(JSON.parse(body.toString("utf8")));
    if (parsed.success) return parsed.data;
  } catch {
    // Said below.
  }
  return failed("sandbox_unavailable", `The sandbox answered ${status}`);
}

/** The relay's half of the door: one HTTP request to the supervisor of one container. Never throws. */
export function askSupervisor({ door }: DoorCall): Promise<DoorAnswer> {
  const body = Buffer.from(JSON.stringify(door.body ?? null));
  return new Promise((resolve) => {
    const outgoing = request(
      {
        host: door.address,
        port: supervisorPort,
        method: "POST",
        path: `${doorPath}${door.op}`,
        headers: {
          [controlKeyHeader]: door.control_key,
          "content-type": "application/json",
          "content-length": body.length,
        },
        signal: AbortSignal.timeout(door.timeout_ms),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        incoming.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes <= maxDoorBytes) return;
          resolve(failed("payload_too_large", "The sandbox's answer is over 5 MB"));
          incoming.destroy();
        });
        incoming.on("end", () => resolve(answerOf(incoming.statusCode ?? 502, Buffer.concat(chunks))));
        incoming.on("error", () => resolve(failed("sandbox_unavailable", "The sandbox's answer was cut")));
      },
    );
    outgoing.on("error", () => resolve(failed("sandbox_unavailable", "The sandbox did not answer")));
    outgoing.end(body);
  });
}
