import * as z from "zod";
import { localAccount, type AwsService, type Caller } from "../contract.ts";
import { answerDenied, answerError, answerJson } from "../aws/answers.ts";
import type { DeployedStack } from "../template/deployed-stack.ts";
import { defaultBus } from "../template/read-compute.ts";
import type { EventBus } from "./event-bus.ts";

/** EventBridge's own limits of one request. */
const maxEntries = 10;
const maxEntryBytes = 1024 * 1024;

const Entry = z.object({
  EventBusName: z.string().default(defaultBus),
  Source: z.string().optional(),
  DetailType: z.string().optional(),
  Detail: z.string().optional(),
  Resources: z.array(z.string()).default([]),
  /** Seconds. */
  Time: z.number().optional(),
});
type Entry = z.output<typeof Entry>;
const Request = z.object({ Entries: z.array(Entry).min(1).max(maxEntries) });

type Answer = { EventId: string } | { ErrorCode: string; ErrorMessage: string };
const refused = (ErrorCode: string, ErrorMessage: string): Answer => ({ ErrorCode, ErrorMessage });

const arnOf = (bus: string) =>
  `arn:${localAccount.partition}:events:${localAccount.region}:${localAccount.id}:event-bus/${bus}`;

/** A bus may be named by its ARN too. */
const nameOf = ({ EventBusName }: Entry) => EventBusName.split("event-bus/").at(-1) ?? EventBusName;

/** EventBridge's PutEvents, to the rules of the template. Each entry is shown by its type and ids, never its detail. */
export function createEventsApi(
  buses: DeployedStack["eventBuses"],
  rules: Pick<EventBus, "emit">,
  log: (line: string) => void,
): AwsService {
  const names = new Set([defaultBus, ...buses.map(({ name }) => name)]);
  return async (request, response, body, caller) => {
    if (request.headers["x-amz-target"] !== "AWSEvents.PutEvents")
      return answerError(response, "events", 400, "UnknownOperationException", "only PutEvents exists on one machine");
    const parsed = Request.safeParse(JSON.parse(body.toString() || "{}"));
    if (!parsed.success)
      return answerError(response, "events", 400, "ValidationException", `PutEvents takes 1 to ${maxEntries} entries`);
    const denied = parsed.data.Entries.find((entry) => !mayPut(caller, entry));
    if (denied) return answerDenied(response, "events", "events:PutEvents", arnOf(nameOf(denied)));
    const answers = parsed.data.Entries.map((entry) => {
      const answer = names.has(nameOf(entry)) ? put(rules, entry) : refused("InvalidArgument", "no such event bus");
      const outcome = "EventId" in answer ? "put" : answer.ErrorCode;
      log(`${nameOf(entry)}: ${entry.Source} ${entry.DetailType}: ${outcome}`);
      return answer;
    });
    const failed = answers.filter((answer) => "ErrorCode" in answer).length;
    answerJson(response, { FailedEntryCount: failed, Entries: answers });
  };
}

function mayPut(caller: Caller, entry: Entry): boolean {
  const context = { "events:source": entry.Source ?? "", "events:detail-type": entry.DetailType ?? "" };
  return caller.allows("events:PutEvents", arnOf(nameOf(entry)), context);
}

function put(rules: Pick<EventBus, "emit">, entry: Entry): Answer {
  const { Source, DetailType, Detail, Resources, Time } = entry;
  if (!Source || !DetailType || Detail === undefined)
    return refused("InvalidArgument", "Source, DetailType and Detail are needed");
  if (Source.startsWith("aws.")) return refused("NotAuthorizedForSource", "sources of AWS are AWS's own");
  if (Buffer.byteLength(Source + DetailType + Detail) > maxEntryBytes)
    return refused("InvalidArgument", `an entry holds ${maxEntryBytes} bytes`);
  const detail = parse(Detail);
  if (detail === null) return refused("MalformedDetail", "Detail is no JSON object");
  const time = Time === undefined ? {} : { time: new Date(Time * 1000).toISOString().replace(/\.\d+Z$/, "Z") };
  const event = { source: Source, "detail-type": DetailType, resources: Resources, detail, ...time };
  return { EventId: rules.emit(event, nameOf(entry)) };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return null;
  }
}
