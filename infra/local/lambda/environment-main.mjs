// Runs inside the worker thread of one execution environment. Plain JavaScript: a worker gets no TypeScript loader.
import { parentPort, workerData } from "node:worker_threads";
import { isStreamed, onStreamMessage, runStreamed } from "./response-stream.mjs";

const maxResponseBytes = 6 * 1024 * 1024;

let handler;

function describe(error) {
  if (!(error instanceof Error)) return { errorType: "Error", errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n").slice(0, 20) };
}

function contextOf(invocation) {
  return {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: "$LATEST",
    invokedFunctionArn: workerData.arn,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    awsRequestId: invocation.requestId,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, invocation.deadline - Date.now()),
  };
}

async function run(invocation) {
  try {
    if (isStreamed(handler)) {
      await runStreamed(handler, JSON.parse(invocation.event), contextOf(invocation));
      return { kind: "streamed" };
    }
    const payload = JSON.stringify(await handler(JSON.parse(invocation.event), contextOf(invocation))) ?? "null";
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxResponseBytes) {
      const errorMessage = `Response payload size (${bytes} bytes) exceeded maximum allowed payload size (${maxResponseBytes} bytes).`;
      return { kind: "threw", errorType: "Function.ResponseSizeTooLarge", errorMessage, trace: [] };
    }
    return { kind: "returned", payload };
  } catch (error) {
    return { kind: "threw", ...describe(error) };
  }
}

parentPort.on("message", async (invocation) => {
  if (onStreamMessage(invocation)) return;
  const outcome = await run(invocation);
  parentPort.postMessage({ requestId: invocation.requestId, outcome });
});

try {
  handler = (await import(workerData.url))[workerData.exportName];
  if (typeof handler !== "function") throw new Error(`${workerData.exportName} is not exported`);
  parentPort.postMessage({ ready: true });
} catch (error) {
  parentPort.postMessage({ failed: describe(error) });
}
