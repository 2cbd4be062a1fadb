import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Running } from "../contract.ts";
import { instant, typing, type Answer, type Fault, type Pace } from "./answer.ts";
import { CallLog, type ModelCall } from "./call-log.ts";
import { connectionSink, readBody } from "./http-io.ts";
import { messageBody, rehearse } from "./message.ts";
import { Problem, invalid, typeOfStatus } from "./problem.ts";
import { PromptCache } from "./prompt-cache.ts";
import type { RehearsalRequest } from "./request.ts";
import { directivesIn, plannedFault } from "./scripts/directives.ts";
import { play } from "./scripts/play.ts";
import { ThinkingSignatures } from "./signatures.ts";
import { eventsOf, writeEvents } from "./sse.ts";
import { readTurn } from "./turn-view.ts";
import { apiVersion, parseRequest } from "./validation.ts";

export interface RehearsalOptions {
  /** 0 for any free one. Listens on 127.0.0.1. */
  port: number;
  /** Of the scripted builds; directives and programmed scripts never wait of themselves. */
  pace?: Pace;
  /** Which keys are good; by default any. */
  accepts?: (key: string) => boolean;
  now?: () => number;
  /** The model's window: a longer prompt is refused. */
  contextTokens?: number;
  /** How many calls `calls()` keeps with their bodies. */
  keptBodies?: number;
}

/** Answers one call, or null to have the built-in scripts play. */
export type ScriptFunction = (request: RehearsalRequest, callNumber: number) => Answer | null | Promise<Answer | null>;

export interface RehearsalModel extends Running {
  /** Goes into ANTHROPIC_BASE_URL. */
  readonly url: string;
  /** Every request so far, oldest first. */
  calls(): ModelCall[];
  /** A function, or answers for the next calls in order (calls for a title or branch do not take one); null: built-in. */
  setScript(script: ScriptFunction | Answer[] | null): void;
}

/** A server that speaks the Messages API at version 2026-10-21 and plays scripts. */
export async function startRehearsalModel(options: RehearsalOptions): Promise<RehearsalModel> {
  const stage = new Stage(options);
  const server = createServer((request, response) => void stage.serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls: () => stage.log.all(),
    setScript: (script) => stage.setScript(script),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class Stage {
  readonly log: CallLog;
  readonly #now: () => number;
  readonly #pace: Pace;
  readonly #accepts: (key: string) => boolean;
  readonly #contextTokens: number;
  readonly #signatures = new ThinkingSignatures();
  readonly #cache: PromptCache;
  /** How often the first call of a turn was tried, by its transcript: for faults that end after a while. */
  readonly #attempts = new Map<string, number>();
  #script: ScriptFunction | null = null;
  #callNumber = 0;

  constructor(options: RehearsalOptions) {
    this.#now = options.now ?? Date.now;
    this.#pace = options.pace ?? typing;
    this.#contextTokens = options.contextTokens ?? 1_000_000;
    this.#accepts = options.accepts ?? (() => true);
    this.#cache = new PromptCache(this.#now);
    this.log = new CallLog(options.keptBodies ?? 100);
  }

  setScript(script: ScriptFunction | Answer[] | null): void {
    this.#script = Array.isArray(script) ? inOrder(script) : script;
    this.#callNumber = 0;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = `req_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
    const call = this.log.add(requestId, this.#now(), request.socket.remotePort ?? null);
    response.setHeader("request-id", call.requestId);
    try {
      await this.#answer(request, response, call);
    } catch (error) {
      refuse(response, call, error instanceof Problem ? error : new Problem(500, "api_error", String(error)));
    } finally {
      call.endedAt = this.#now();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, call: ModelCall): Promise<void> {
    this.#checkHead(request);
    const text = await readBody(request);
    const body = parseJson(text);
    call.text = text;
    const parsed = parseRequest(body);
    this.#signatures.check(parsed);
    this.#checkLength(parsed);
    const answer = await this.#choose(parsed);
    if (answer.fault?.kind === "status") throw asProblem(answer.fault);
    await this.#speak(parsed, answer, response, call);
  }

  #checkHead(request: IncomingMessage): void {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path !== "/v1/messages") throw new Problem(404, "not_found_error", `not found: ${path}`);
    if (request.method !== "POST") throw new Problem(405, "invalid_request_error", "Method Not Allowed");
    const key = keyIn(request);
    if (key === null) throw new Problem(401, "authentication_error", "Authorization: header is required");
    if (!this.#accepts(key)) throw new Problem(401, "authentication_error", "invalid API key");
    const version = request.headers["anthropic-version"];
    if (version === undefined) throw invalid("anthropic-version: header is required");
    if (version !== apiVersion)
      throw invalid(`anthropic-version: "${String(version)}" is not played, only ${apiVersion}`);
  }

  #checkLength(request: RehearsalRequest): void {
    const tokens = this.#cache.count(request);
    if (tokens > this.#contextTokens)
      throw invalid(`prompt is too long: ${tokens} tokens > ${this.#contextTokens} maximum`);
  }

  async #choose(request: RehearsalRequest): Promise<Answer> {
    this.#callNumber += 1;
    const programmed = this.#script === null ? null : await this.#script(request, this.#callNumber);
    if (programmed !== null) return { pace: instant, ...programmed };
    const answer: Answer = { pace: this.#pace, ...play(request) };
    const fault = this.#directedFault(request);
    return fault === null ? answer : { ...answer, fault };
  }

  #directedFault(request: RehearsalRequest): Fault | null {
    const view = readTurn(request.messages);
    const planned = plannedFault(directivesIn(view.prompt));
    if (planned === null || view.steps.length > 0 || request.outputSchema !== null) return null;
    const key = createHash("sha256").update(JSON.stringify(request.messages)).digest("base64");
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    return attempt <= planned.times ? planned.fault : null;
  }

  async #speak(request: RehearsalRequest, answer: Answer, response: ServerResponse, call: ModelCall): Promise<void> {
    const message = rehearse(request, answer, this.#cache.use(request), this.#signatures);
    const pace = answer.pace ?? instant;
    const sink = connectionSink(response);
    call.answer = message.content;
    call.whole = message.usage;
    if (answer.fault?.kind === "reset" && answer.fault.afterEvents === 0) {
      sink.end("torn");
      call.outcome = "broken";
    } else if (request.stream) {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
      response.flushHeaders();
      if (
        !(await waited(
          pace,
          (ms) => sink.pause(ms),
          (text) => sink.write(text),
        ))
      )
        call.outcome = "abandoned";
      else call.outcome = await writeEvents(eventsOf(request, message, pace), pace, answer.fault, sink);
    } else {
      const stayed = await sink.pause(pace.firstByteMs);
      response.writeHead(200, { "content-type": "application/json" }).end(messageBody(request, message));
      call.outcome = stayed ? "completed" : "abandoned";
    }
    if (call.outcome !== "completed") return;
    call.usage = message.usage;
    call.stopReason = message.stopReason;
  }
}

async function waited(
  pace: Pace,
  pause: (ms: number) => Promise<boolean>,
  write: (text: string) => Promise<boolean>,
): Promise<boolean> {
  let left = pace.firstByteMs;
  const each = pace.pingMs ?? Infinity;
  while (left > each) {
    if (!(await pause(each)) || !(await write('event: ping\ndata: {"type":"ping"}\n\n'))) return false;
    left -= each;
  }
  return pause(left);
}

function inOrder(answers: Answer[]): ScriptFunction {
  const left = [...answers];
  return (request) => {
    if (request.outputSchema !== null) return null;
    const next = left.shift();
    if (next === undefined) throw invalid("the script has no more answers");
    return next;
  };
}

function asProblem(fault: Extract<Fault, { kind: "status" }>): Problem {
  const { status, type = typeOfStatus(status), message = "scripted", retryAfterSeconds, errorCode } = fault;
  return new Problem(status, type, message, {
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(errorCode !== undefined && { errorCode }),
  });
}

function refuse(response: ServerResponse, call: ModelCall, problem: Problem): void {
  call.status = problem.status;
  call.outcome = "refused";
  call.error = problem.message;
  if (response.headersSent) return void response.destroy();
  if (problem.extra.retryAfterSeconds !== undefined) {
    response.setHeader("retry-after", String(problem.extra.retryAfterSeconds));
  }
  response.writeHead(problem.status, { "content-type": "application/json" }).end(problem.body(call.requestId));
}

function keyIn(request: IncomingMessage): string | null {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const header = request.headers["x-api-key"];
  return bearer ?? (typeof header === "string" && header !== "" ? header : null);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("The request body is not valid JSON");
  }
}
