import type { IncomingMessage, ServerResponse } from "node:http";
import type * as z from "zod";
import { AppError } from "../../../../../shared/errors.ts";
import {
  controlKeyHeader,
  doorPath,
  maxDoorBytes,
  type DoorAnswer,
  type DoorOp,
} from "../../../../../shared/protocol/door.ts";
import { log, messageOf } from "../../log.ts";
import { isSameKey } from "../same-key.ts";

interface DoorOptions {
  /** Null before the platform's welcome, and from a platform that has none. */
  key: () => string | null;
  /** Somebody works with the sandbox. */
  onAsked: () => void;
}

interface Served {
  op: DoorOp;
  /** `ended`: nobody waits for the answer any more. */
  run: (body: never, ended: AbortSignal) => Promise<unknown>;
}

/** What the platform asks of a running sandbox, over the port that previews come in by. Told apart by a key of its own. */
export class Door {
  readonly #options: DoorOptions;
  readonly #served = new Map<string, Served>();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** An `AppError` that `run` throws reaches who asked as it is. */
  on<Body extends z.ZodType, Result extends z.ZodType>(
    op: DoorOp<Body, Result>,
    run: (body: z.output<Body>, ended: AbortSignal) => Promise<z.input<Result>>,
  ): void {
    this.#served.set(op.name, { op, run: run as Served["run"] });
  }

  isFor(path: string): boolean {
    return path.startsWith(doorPath);
  }

  async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const key = this.#options.key();
    if (key === null || !isSameKey(String(incoming.headers[controlKeyHeader] ?? ""), key)) {
      incoming.resume();
      return answer(outgoing, 403, { error: { code: "sandbox_unavailable", message: "Not allowed" } });
    }
    const ended = new AbortController();
    outgoing.on("close", () => ended.abort());
    try {
      const result = await this.#run(incoming, ended.signal);
      answer(outgoing, 200, { result: result ?? null });
    } catch (error) {
      if (!(error instanceof AppError)) log("door failed", { error: messageOf(error) });
      const told = error instanceof AppError ? error : new AppError("internal");
      answer(outgoing, 200, { error: told.toWire() });
    }
  }

  async #run(incoming: IncomingMessage, ended: AbortSignal): Promise<unknown> {
    const served = this.#served.get((incoming.url ?? "").slice(doorPath.length));
    if (!served || incoming.method !== "POST") throw new AppError("sandbox_unavailable", "This sandbox is too old");
    const body = served.op.body.safeParse(JSON.parse((await bytesOf(incoming)).toString("utf8")));
    if (!body.success) throw new AppError("validation_failed", undefined, { cause: body.error });
    if (!served.op.isPassive) this.#options.onAsked();
    return served.run(body.data as never, ended);
  }
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxDoorBytes) throw new AppError("payload_too_large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(outgoing: ServerResponse, status: number, content: DoorAnswer): void {
  outgoing.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  outgoing.end(JSON.stringify(content));
}
