import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { ApiClient, Refused } from "../demo/client.ts";
import type { PlatformProcess } from "./platform-process.ts";

const retryMs = 250;
const callLimitMs = 180_000;

type Problem = { code?: string } | null;

/** A request with a key of its own, again and again until it has an answer: the platform may be down. Null: one of these codes. */
export async function attempt<T>(
  platform: PlatformProcess,
  bearer: string,
  [method, path, body]: [method: string, path: string, body?: unknown],
  codes: readonly string[] = [],
): Promise<T | null> {
  const headers = { "idempotency-key": randomUUID() };
  const began = performance.now();
  for (;;) {
    const api = new ApiClient(platform.httpUrl);
    if (bearer !== "") api.signIn({ access_token: bearer });
    const answer = await api.reply<T>(method, path, body, method === "POST" ? headers : {}).catch(() => null);
    if (answer !== null && answer.status < 300) return answer.body;
    if (answer !== null && codes.includes((answer.body as Problem)?.code ?? "")) return null;
    const isFinal = answer !== null && answer.status < 500 && answer.status !== 409 && answer.status !== 429;
    if (isFinal || platform.isOverdue(began, callLimitMs)) {
      throw new Error(`${method} ${path} answered ${answer?.status ?? "nothing"}: ${JSON.stringify(answer?.body)}`);
    }
    await pause(retryMs);
  }
}

export async function persist<T>(
  platform: PlatformProcess,
  bearer: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  return (await attempt<T>(platform, bearer, [method, path, body])) as T;
}

/** The same by a frame on a connection of its own each time. */
export async function persistFrame<T>(
  platform: PlatformProcess,
  bearer: string,
  frame: { type: string } & Record<string, unknown>,
): Promise<T> {
  const request_id = randomUUID();
  const began = performance.now();
  for (;;) {
    const api = new ApiClient(platform.httpUrl);
    api.signIn({ access_token: bearer });
    const answer = await askOnce(api, platform.webSocketUrl, { ...frame, request_id });
    if (!(answer instanceof Error)) return answer as T;
    const isFinal = answer instanceof Refused && !["busy", "internal", "rate_limited", "refused"].includes(answer.code);
    if (isFinal || platform.isOverdue(began, callLimitMs)) throw answer;
    await pause(retryMs);
  }
}

async function askOnce(
  api: ApiClient,
  url: string,
  frame: { type: string } & Record<string, unknown>,
): Promise<Record<string, unknown> | Error> {
  try {
    const socket = await api.connectWithToken(url);
    try {
      return await socket.ask(frame);
    } finally {
      socket.socket.terminate();
    }
  } catch (error) {
    return error as Error;
  }
}
