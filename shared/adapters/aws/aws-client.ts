import { Agent, type IncomingHttpHeaders, request as requestPlainly, type RequestOptions } from "node:http";
import { Agent as SecureAgent, request as requestSecurely } from "node:https";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import { errorOf } from "./aws-error.ts";
import { delayBefore } from "./retry.decisions.ts";
import { type AwsCredentials, signed, type SigningScope } from "./signing.ts";

export interface AwsClientOptions extends SigningScope {
  /** Scheme and host, with the port where it is another than the scheme's. */
  endpoint: string;
  credentials: () => Promise<AwsCredentials>;
  clock: Clock;
  ids: Pick<Ids, "random">;
  /** How long nothing may come, in ms. @default 10 000 */
  silenceMs?: number;
}

export interface AwsRequest {
  method: string;
  path: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  body: string;
}

export interface AwsAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

const maxSockets = 50;
const defaultSilenceMs = 10_000;

/** A connection that was dropped without a word, as after a freeze: the next try opens another. */
class SilentService extends Error {
  readonly code = "ETIMEDOUT";

  constructor(silenceMs: number) {
    super(`the service said nothing for ${silenceMs} ms`);
  }
}

/**
 * Signed requests to one AWS service, tried again as the SDK's standard mode does. Takes the SDK's place where a step
 * makes most of its requests: there its middleware costs more than the network (ADR 0043).
 */
export class AwsClient {
  readonly #options: AwsClientOptions;
  readonly #url: URL;
  readonly #ask: typeof requestPlainly;
  readonly #agent: Agent;

  constructor(options: AwsClientOptions) {
    this.#options = options;
    this.#url = new URL(options.endpoint);
    const isSecure = this.#url.protocol === "https:";
    this.#ask = isSecure ? requestSecurely : requestPlainly;
    this.#agent = isSecure
      ? new SecureAgent({ keepAlive: true, maxSockets })
      : new Agent({ keepAlive: true, maxSockets });
  }

  /** Throws an `AwsError` where the service refuses, or the error of the connection, after the last try. */
  async send(request: AwsRequest): Promise<AwsAnswer> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#sendOnce(request);
      } catch (error) {
        const delayMs = delayBefore(tries, error, this.#options.ids.random());
        if (delayMs === null) throw error;
        await this.#options.clock.sleep(delayMs);
      }
    }
  }

  async #sendOnce(request: AwsRequest): Promise<AwsAnswer> {
    const { credentials, clock } = this.#options;
    const { host, hostname, port } = this.#url;
    const headers = signed({ ...request, host }, this.#options, await credentials(), clock.now());
    headers["content-length"] = String(Buffer.byteLength(request.body));
    const { method, path } = request;
    const answer = await this.#exchange({ agent: this.#agent, hostname, port, method, path, headers }, request.body);
    if (answer.status >= 300) throw errorOf(answer);
    return answer;
  }

  #exchange(options: RequestOptions, body: string): Promise<AwsAnswer> {
    return new Promise((resolve, reject) => {
      const sending = this.#ask(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("error", reject);
        answer.once("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
      });
      sending.once("error", reject);
      const { silenceMs = defaultSilenceMs } = this.#options;
      sending.setTimeout(silenceMs, () => sending.destroy(new SilentService(silenceMs)));
      sending.end(body);
    });
  }

  /** Closes what is kept open. */
  destroy(): void {
    this.#agent.destroy();
  }
}

/** One operation of a service that speaks JSON 1.0. */
export async function callJson(client: AwsClient, target: string, input: unknown): Promise<Record<string, unknown>> {
  const headers = { "content-type": "application/x-amz-json-1.0", "x-amz-target": target };
  const { text } = await client.send({ method: "POST", path: "/", headers, body: JSON.stringify(input) });
  return JSON.parse(text) as Record<string, unknown>;
}
