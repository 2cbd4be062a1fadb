import type { AwsService, Running } from "../contract.ts";
import type { DeployedQueue } from "../template/deployed-stack.ts";
import { answerDenied } from "./answers.ts";
import { fairOrder } from "./fair-order.ts";
import { queueActions, SqsError, SqsStore, type SqsQueue } from "./fauxqs.ts";

type Values = Record<string, unknown>;

export interface QueueAnswer {
  status: number;
  errorHeader: string | null;
  body: Values;
}

export interface Queues extends Running {
  /** One SQS action, as its JSON protocol names it. `QueueUrl` may be any URL that ends in the queue's name. */
  call(action: string, input: Values): Promise<QueueAnswer>;
  service: AwsService;
}

const contentType = "application/x-amz-json-1.0";

/** What one message action needs of IAM; batches ask for the single action's permission. */
const permissions: Record<string, string> = {
  SendMessageBatch: "SendMessage",
  DeleteMessageBatch: "DeleteMessage",
  ChangeMessageVisibilityBatch: "ChangeMessageVisibility",
};

/** SQS by fauxqs, in process. Messages are not kept over a restart, on purpose: the sweeper must recover. */
export function createQueues(queues: readonly DeployedQueue[]): Queues {
  const store = new SqsStore();
  for (const queue of queues) beFair(store.createQueue(queue.name, queue.name, queue.arn, queue.attributes));
  const call: Queues["call"] = async (action, input) => {
    const url = queueName(input["QueueUrl"]);
    const handler = Object.hasOwn(queueActions, action) ? queueActions[action] : undefined;
    if (handler === undefined)
      return failure("InvalidAction", `${action} does not exist on one machine`, "InvalidAction;Sender");
    try {
      const answering = handler({ ...input, QueueUrl: url }, store);
      // Before anything else runs: a poller that the message woke must find its group.
      if (action.startsWith("SendMessage")) keepGroups(store.getQueue(url), action, input, answering as Values);
      return { status: 200, errorHeader: null, body: ((await answering) ?? {}) as Values };
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      return failure(error.code, error.message, error.queryErrorHeader, error.statusCode);
    }
  };
  return { call, service: serviceFor(queues, call), stop: async () => store.purgeAll() };
}

function serviceFor(queues: readonly DeployedQueue[], call: Queues["call"]): AwsService {
  return async (request, response, body, caller) => {
    const action = String(request.headers["x-amz-target"] ?? "").replace("AmazonSQS.", "");
    const input = JSON.parse(body.toString() || "{}") as Values;
    const name = queueName(input["QueueUrl"] ?? input["QueueName"]);
    const arn = queues.find((queue) => queue.name === name)?.arn ?? `arn:aws:sqs:::${name}`;
    const permission = `sqs:${permissions[action] ?? action}`;
    if (!caller.allows(permission, arn)) return answerDenied(response, "sqs", permission, arn);
    const answer = await call(action, input);
    if (response.destroyed) return;
    if (answer.errorHeader !== null) response.setHeader("x-amzn-query-error", answer.errorHeader);
    response.writeHead(answer.status, { "content-type": contentType });
    response.end(JSON.stringify(answer.body));
  };
}

function queueName(url: unknown): string {
  return typeof url === "string" ? (url.split("/").at(-1) ?? "") : "";
}

function failure(code: string, message: string, errorHeader: string, status = 400): QueueAnswer {
  return { status, errorHeader, body: { __type: `com.amazonaws.sqs#${code}`, message } };
}

/** fauxqs hands a standard queue's messages out in their order, behind whoever sent a thousand. */
function beFair(queue: SqsQueue): void {
  if (queue.isFifo()) return;
  const inOrder = queue.dequeue.bind(queue);
  queue.dequeue = (count, ...rest) => {
    queue.processTimers();
    const waiting = queue.messages;
    if (waiting.length > 1) {
      const inFlight = [...queue.inflightMessages.values()].map(({ message }) => message);
      const first = fairOrder(waiting, inFlight, count);
      const next = new Set(first);
      queue.messages = [
        ...first.flatMap((index) => waiting[index] ?? []),
        ...waiting.filter((_, index) => !next.has(index)),
      ];
    }
    return inOrder(count, ...rest);
  };
}

/** fauxqs drops the `MessageGroupId` of a standard queue, which AWS's fair queues keep: it is put back before anyone receives. */
function keepGroups(queue: SqsQueue | undefined, action: string, input: Values, answer: Values): void {
  if (queue === undefined || queue.isFifo()) return;
  if (action === "SendMessage") keepGroup(queue, answer["MessageId"], input["MessageGroupId"]);
  if (action !== "SendMessageBatch") return;
  const entries = (input["Entries"] ?? []) as Values[];
  const sent = (answer["Successful"] ?? []) as Values[];
  for (const one of sent)
    keepGroup(queue, one["MessageId"], entries.find((entry) => entry["Id"] === one["Id"])?.["MessageGroupId"]);
}

function keepGroup(queue: SqsQueue, messageId: unknown, group: unknown): void {
  if (typeof group !== "string") return;
  const { ready, delayed } = queue.inspectMessages();
  const message = [...ready, ...delayed].findLast((each) => each.messageId === messageId);
  if (message !== undefined) message.messageGroupId = group;
}
