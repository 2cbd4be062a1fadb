import * as z from "zod";
import type { Clock } from "../ports/clock.ts";
import type { EventBus } from "../ports/event-bus.ts";
import type { Ids } from "../ports/ids.ts";
import { eventSource, type OutwardEvent } from "../protocol/webhook.ts";
import { type AwsCredentials, signed } from "./aws/signing.ts";

export interface EventBridgeOptions {
  /** `https://events.<region>.amazonaws.com` */
  endpoint: string;
  busArn: string;
  credentials: () => Promise<AwsCredentials>;
  clock: Clock;
  ids: Pick<Ids, "random">;
}

/** EventBridge's own limit of one request. */
const maxEntries = 10;
const maxTries = 4;
const firstDelayMs = 100;
const timeoutMs = 5_000;

const Answer = z.object({
  FailedEntryCount: z.number(),
  Entries: z.array(z.object({ EventId: z.string().optional(), ErrorCode: z.string().optional() })),
});

/** The account's bus. It takes entries one by one: those that it refused are put again, the others are not. */
export function eventBridgeBus(options: EventBridgeOptions): EventBus {
  return {
    async put(events) {
      for (let at = 0; at < events.length; at += maxEntries) await putAll(options, events.slice(at, at + maxEntries));
    },
  };
}

async function putAll(options: EventBridgeOptions, events: OutwardEvent[]): Promise<void> {
  let left = events;
  for (let tries = 1; ; tries += 1) {
    const outcome = await putOnce(options, left).catch((error: unknown) => ({ left, reason: String(error) }));
    if (outcome.left.length === 0) return;
    if (tries === maxTries) throw new Error(`${outcome.left.length} events were not put: ${outcome.reason}`);
    left = outcome.left;
    await options.clock.sleep(firstDelayMs * 2 ** tries * (0.5 + options.ids.random()));
  }
}

async function putOnce(options: EventBridgeOptions, events: OutwardEvent[]) {
  const { endpoint, busArn, credentials, clock } = options;
  const url = new URL("/", endpoint);
  const body = JSON.stringify({ Entries: events.map((event) => entryOf(event, busArn)) });
  const named = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" };
  const scope = { region: busArn.split(":")[3] ?? "", service: "events" };
  const request = { method: "POST", host: url.host, path: "/", headers: named, body };
  const headers = signed(request, scope, await credentials(), clock.now());
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" });
  const text = await response.text();
  if (!response.ok) return { left: events, reason: `PutEvents answered ${response.status}: ${text.slice(0, 200)}` };
  const { Entries } = Answer.parse(JSON.parse(text));
  const left = events.filter((_, index) => Entries[index]?.EventId === undefined);
  return { left, reason: Entries.find(({ ErrorCode }) => ErrorCode)?.ErrorCode ?? "no reason given" };
}

const entryOf = ({ type, at, data }: OutwardEvent, busArn: string) => ({
  EventBusName: busArn,
  Source: eventSource,
  DetailType: type,
  Time: Date.parse(at) / 1000,
  Detail: JSON.stringify({ ...data, at }),
});
