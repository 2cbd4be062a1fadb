import type { IncomingMessage } from "node:http";
import { AppError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { WebhookAddresses, WebhookSender } from "../ports/webhook-sender.ts";
import type { CourierAnswer, CourierRequest } from "../protocol/webhook.ts";
import { AddressRefused, type AddressesOf, checkedAddress, dial, systemAddresses, within } from "./guarded-dial.ts";
import { parseWebhookUrl } from "./webhook-url.ts";

export interface WebhookDialOptions {
  /** May be `http`, and on loopback or a private network: for machines whose only tenant is their owner. */
  allowPrivate: boolean;
  /** Default: this machine's resolver. */
  addressesOf?: AddressesOf;
  /** Default 10 s, for all of an attempt. */
  deadlineMs?: number;
}

const resolveMs = 3_000;
/** An endpoint may end its answer in peace up to here; nobody reads it. */
const maxAnswerBytes = 64 * 1024;
const maxAnswerMs = 1_000;
const userAgent = "ai-sandbox-platform-webhooks/1";

/** The check before a URL is stored. It says nothing of tomorrow's addresses: each call checks again. */
export function webhookAddresses(options: WebhookDialOptions): WebhookAddresses {
  const { allowPrivate, addressesOf = systemAddresses } = options;
  return {
    async check(text) {
      const parsed = parseWebhookUrl(text, allowPrivate);
      if ("reason" in parsed) throw refused(parsed.reason);
      try {
        await within(AbortSignal.timeout(resolveMs), checkedAddress(parsed.url, allowPrivate, addressesOf));
      } catch (error) {
        throw refused(error instanceof AddressRefused ? "is not on the public internet" : "has no address");
      }
      return parsed.url.href;
    },
  };
}

const refused = (reason: string) =>
  new AppError("url_not_allowed", `The URL ${reason}`, { issues: [{ path: "body.url", message: reason }] });

/** Calls strangers: over a checked and pinned address, without redirects, bounded in time and in what it reads. */
export function httpWebhookSender(options: WebhookDialOptions & { clock: Pick<Clock, "now"> }): WebhookSender {
  const { allowPrivate, addressesOf = systemAddresses, deadlineMs = 10_000, clock } = options;
  return {
    async send(request): Promise<CourierAnswer> {
      const started = clock.now();
      const signal = AbortSignal.timeout(deadlineMs);
      try {
        const parsed = parseWebhookUrl(request.url, allowPrivate);
        if ("reason" in parsed) throw new AddressRefused(parsed.reason);
        const address = await within(signal, checkedAddress(parsed.url, allowPrivate, addressesOf));
        const response = await post(parsed.url, address, request, signal);
        const retry_after_seconds = retryAfterOf(response);
        const status = response.statusCode ?? 0;
        await drain(response);
        return { kind: "answered", status, latency_ms: clock.now() - started, retry_after_seconds };
      } catch (error) {
        return { kind: "failed", failure: failureOf(error, signal), latency_ms: clock.now() - started };
      }
    },
  };
}

function post(url: URL, address: string, request: CourierRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { body } = request;
  const length = String(Buffer.byteLength(body));
  const headers = { ...request.headers, "user-agent": userAgent, accept: "*/*", "content-length": length };
  return dial(url, address, { method: "POST", headers, body, signal });
}

function failureOf(error: unknown, signal: AbortSignal) {
  if (error instanceof AddressRefused) return "url_not_allowed";
  return signal.aborted ? "timeout" : "unreachable";
}

function retryAfterOf({ headers }: IncomingMessage): number | null {
  const text = headers["retry-after"] ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/** The status is the answer; an endpoint that never ends its body, or breaks off in it, has answered all the same. */
async function drain(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  const cut = setTimeout(() => response.destroy(), maxAnswerMs);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) return;
    }
  } catch {
    // Cut off, by us or by the endpoint.
  } finally {
    clearTimeout(cut);
    response.destroy();
  }
}
