import { APIError, BaseAnthropic } from "@anthropic-ai/sdk";
import { Stream } from "@anthropic-ai/sdk/streaming";
import { ModelFailure, type Model, type ModelEvent, type ModelRequest } from "../ports/model.ts";
import { AnswerAssembler, broken } from "./anthropic/assembler.ts";
import { modelFailure } from "./anthropic/failure.ts";
import { serialiseRequest } from "./anthropic/request.ts";
import { systemTimer, Watchdog, type StartTimer, type Timer } from "./anthropic/watchdog.ts";

const drainMs = 50;

/** Answers with the key in use; `fresh` asks for it again because the API refused that one. */
export type ApiKey = (options: { fresh: boolean }) => Promise<string>;

export interface AnthropicModelOptions {
  apiKey: ApiKey;
  /** A stream that is silent for so long (not even a ping) is given up. */
  idleMs?: number;
  /** How long the API may take to begin an answer. */
  headersMs?: number;
  /** What measures the silence. */
  startTimer?: StartTimer;
  /** Null: the SDK's own, which reads ANTHROPIC_BASE_URL. */
  baseUrl?: string | null;
}

/** Calls the Messages API through the SDK, once per call of `stream`: retries belong to the queue. */
export class AnthropicModel implements Model {
  readonly #client: BaseAnthropic;
  readonly #apiKey: ApiKey;
  readonly #idleMs: number;
  readonly #startTimer: StartTimer;

  constructor({ apiKey, idleMs = 30_000, headersMs = 60_000, ...options }: AnthropicModelOptions) {
    const { startTimer = systemTimer, baseUrl } = options;
    this.#apiKey = apiKey;
    this.#idleMs = idleMs;
    this.#startTimer = startTimer;
    this.#client = anthropicClient(apiKey, headersMs, baseUrl);
  }

  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent> {
    return this.streamBody(request.model, serialiseRequest(request), signal);
  }

  /** As `stream`, with a body that the caller has serialised (see `serialiseRequest`). */
  async *streamBody(model: string, body: string | Buffer, signal: AbortSignal): AsyncIterable<ModelEvent> {
    const call = new AbortController();
    const onAbort = () => call.abort(aborted(signal));
    if (signal.aborted) throw aborted(signal);
    signal.addEventListener("abort", onAbort, { once: true });
    const onSilence = () => call.abort(broken(`nothing came for ${this.#idleMs} ms`));
    const watchdog = new Watchdog(this.#idleMs, onSilence, this.#startTimer);
    const assembler = new AnswerAssembler(model);
    let requestId: string | null = null;
    try {
      const response = await this.#post(body, call.signal);
      requestId = response.headers.get("request-id");
      yield* readAnswer(assembler, response, call, watchdog, this.#startTimer);
    } catch (error) {
      const failure = modelFailure(call.signal.aborted ? call.signal.reason : error);
      failure.partial = assembler.partial(requestId);
      throw failure;
    } finally {
      watchdog.stop();
      signal.removeEventListener("abort", onAbort);
      call.abort(broken("its reader left"));
    }
  }

  async #post(body: string | Buffer, signal: AbortSignal): Promise<Response> {
    try {
      return await this.#send(body, signal);
    } catch (error) {
      const isRefusedKey = error instanceof APIError && (error.status === 401 || error.type === "authentication_error");
      if (!isRefusedKey || signal.aborted) throw error;
    }
    // The key may have been rotated since it was read.
    await readKey(this.#apiKey, { fresh: true });
    return this.#send(body, signal);
  }

  #send(body: string | Buffer, signal: AbortSignal): Promise<Response> {
    const headers = { "content-type": "application/json" };
    return this.#client.post<unknown>("/v1/messages", { body, headers, stream: true, signal }).asResponse();
  }
}

/**
 * The SDK without its resources: `Anthropic` brings every API of the platform and the agent toolset into the bundle
 * (447 KB against 101 KB minified). `logLevel: off`: the SDK would log event data, which is what people wrote.
 */
export function anthropicClient(apiKey: ApiKey, timeoutMs: number, baseUrl?: string | null): BaseAnthropic {
  return new BaseAnthropic({
    apiKey: () => readKey(apiKey, { fresh: false }),
    maxRetries: 0,
    timeout: timeoutMs,
    logLevel: "off",
    openTelemetry: false,
    ...(baseUrl && { baseURL: baseUrl }),
  });
}

async function readKey(apiKey: ApiKey, options: { fresh: boolean }): Promise<string> {
  try {
    return await apiKey(options);
  } catch (cause) {
    if (cause instanceof ModelFailure) throw cause;
    throw new ModelFailure("overloaded", "the model's key could not be read", { cause });
  }
}

/** The SDK's own iterator over parsed events hides pings, and with them that the connection lives. */
async function* readAnswer(
  assembler: AnswerAssembler,
  response: Response,
  call: AbortController,
  watchdog: Watchdog,
  startTimer: StartTimer,
): AsyncGenerator<ModelEvent> {
  const events = Stream.rawEvents(response, call);
  while (!assembler.isComplete) {
    const next = await watchdog.during(events.next());
    if (next.done) break;
    const data = parse(next.value.data);
    if (next.value.event === "error") throw streamError(data, response.headers);
    const delta = assembler.take(data);
    if (delta !== null) yield delta;
  }
  const completed = assembler.complete(response.headers.get("request-id"));
  await drained(events, startTimer);
  yield completed;
}

/** Reading the body to its end lets the next call use the same connection; it is not worth waiting for. */
async function drained(events: AsyncGenerator<unknown>, startTimer: StartTimer): Promise<void> {
  let timer: Timer | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = startTimer(drainMs, resolve);
  });
  await Promise.race([events.next().catch(() => undefined), patience]);
  timer?.stop();
}

function parse(data: string): Record<string, unknown> {
  if (data === "") return {};
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw broken("an event is not JSON", cause);
  }
  throw broken("an event is not an object");
}

function streamError(body: Record<string, unknown>, headers: Headers): APIError {
  const type = (body["error"] as { type?: unknown } | undefined)?.type;
  return new APIError(
    undefined,
    body,
    undefined,
    headers,
    typeof type === "string" ? (type as APIError["type"]) : null,
  );
}

function aborted(signal: AbortSignal): ModelFailure {
  return new ModelFailure("broken_stream", "the call was aborted", { cause: signal.reason });
}
