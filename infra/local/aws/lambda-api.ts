import type { AwsService, InvokeOutcome, ResponseSink } from "../contract.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";
import { answerDenied, answerError } from "./answers.ts";
import { streamInvocation } from "./invocation-stream.ts";

/** Lambda's own limits of one request, in bytes. */
const maxSyncPayloadBytes = 6 * 1024 * 1024;
const maxAsyncPayloadBytes = 1024 * 1024;

export interface LambdaApiOptions {
  functions: readonly DeployedFunction[];
  invoke: (functionId: string, event: unknown, sink?: ResponseSink) => Promise<InvokeOutcome>;
  /** Takes the event and answers at once; retries are the host's. */
  invokeLater: (functionId: string, event: unknown) => void;
}

const operations =
  /^\/(?:2015-03-31\/functions\/([^/]+)\/invocations|2021-11-15\/functions\/([^/]+)\/response-streaming-invocations)/;

/** Lambda's Invoke and InvokeWithResponseStream, for functions that call functions. */
export function createLambdaApi(options: LambdaApiOptions): AwsService {
  return async (request, response, body, caller) => {
    const found = operations.exec(request.url ?? "");
    if (found === null || request.method !== "POST") {
      return answerError(response, "lambda", 404, "UnknownOperationException", "only Invoke exists on one machine");
    }
    const name = decodeURIComponent(found[1] ?? found[2] ?? "");
    const target = options.functions.find((each) => each.name === name || each.arn === name);
    const arn = target?.arn ?? name;
    if (!caller.allows("lambda:InvokeFunction", arn))
      return answerDenied(response, "lambda", "lambda:InvokeFunction", arn);
    if (target === undefined)
      return answerError(response, "lambda", 404, "ResourceNotFoundException", `Function not found: ${name}`);
    const later = request.headers["x-amz-invocation-type"] === "Event";
    if (body.length > (later ? maxAsyncPayloadBytes : maxSyncPayloadBytes)) {
      return answerError(response, "lambda", 413, "RequestTooLargeException", `the payload is ${body.length} bytes`);
    }
    const event = parse(body);
    if (event === null)
      return answerError(
        response,
        "lambda",
        400,
        "InvalidRequestContentException",
        "Could not parse request body into json",
      );
    if (found[2] !== undefined)
      return streamInvocation(response, (sink) => options.invoke(target.id, event.value, sink));
    if (later) {
      options.invokeLater(target.id, event.value);
      return void response.writeHead(202).end();
    }
    const outcome = await options.invoke(target.id, event.value);
    if (outcome.kind === "throttled")
      return answerError(response, "lambda", 429, "TooManyRequestsException", "Rate Exceeded.");
    const headers: Record<string, string> = { "content-type": "application/json", "x-amz-executed-version": "$LATEST" };
    if (outcome.kind !== "returned") headers["x-amz-function-error"] = "Unhandled";
    response.writeHead(200, headers);
    response.end(JSON.stringify(payloadOf(outcome)));
  };
}

function parse(body: Buffer): { value: unknown } | null {
  try {
    return { value: body.length === 0 ? {} : (JSON.parse(body.toString()) as unknown) };
  } catch {
    return null;
  }
}

function payloadOf(outcome: Exclude<InvokeOutcome, { kind: "throttled" }>): unknown {
  switch (outcome.kind) {
    case "returned":
      return outcome.payload ?? null;
    case "threw":
      return { errorType: outcome.errorType, errorMessage: outcome.errorMessage, trace: outcome.trace };
    case "timed_out":
      return {
        errorType: "Sandbox.Timedout",
        errorMessage: `Task timed out after ${outcome.seconds.toFixed(2)} seconds`,
      };
    case "crashed":
      return { errorType: "Runtime.ExitError", errorMessage: outcome.message };
  }
}
