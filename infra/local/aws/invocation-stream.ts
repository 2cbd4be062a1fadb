import type { ServerResponse } from "node:http";
import type { InvokeOutcome, ResponseSink } from "../contract.ts";
import { answerError } from "./answers.ts";
import { eventMessage } from "./event-stream.ts";

function begin(response: ServerResponse): void {
  if (response.headersSent) return;
  const headers = { "content-type": "application/vnd.amazon.eventstream", "x-amz-executed-version": "$LATEST" };
  response.writeHead(200, headers);
}

function completion(outcome: Exclude<InvokeOutcome, { kind: "throttled" }>): object {
  switch (outcome.kind) {
    case "returned":
      return {};
    case "threw":
      return { ErrorCode: outcome.errorType, ErrorDetails: outcome.errorMessage };
    case "timed_out":
      return {
        ErrorCode: "Sandbox.Timedout",
        ErrorDetails: `Task timed out after ${outcome.seconds.toFixed(2)} seconds`,
      };
    case "crashed":
      return { ErrorCode: "Runtime.ExitError", ErrorDetails: outcome.message };
  }
}

/** A sink that writes to this response as fast as its client reads. */
export function responseSink(response: ServerResponse, write: (chunk: Buffer) => boolean): ResponseSink {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return {
    gone: gone.signal,
    write: (chunk) =>
      new Promise((resolve) => {
        if (response.destroyed || write(chunk)) return resolve();
        const go = () => {
          response.off("drain", go).off("close", go);
          resolve();
        };
        response.once("drain", go).once("close", go);
      }),
  };
}

/** The answer of InvokeWithResponseStream: a message for each chunk, then how it ended. */
export async function streamInvocation(
  response: ServerResponse,
  invoke: (sink: ResponseSink) => Promise<InvokeOutcome>,
): Promise<void> {
  const write = (chunk: Buffer) => {
    begin(response);
    return response.write(eventMessage("PayloadChunk", "application/octet-stream", chunk));
  };
  const outcome = await invoke(responseSink(response, write));
  if (outcome.kind === "throttled")
    return answerError(response, "lambda", 429, "TooManyRequestsException", "Rate Exceeded.");
  begin(response);
  response.end(eventMessage("InvokeComplete", "application/json", Buffer.from(JSON.stringify(completion(outcome)))));
}
