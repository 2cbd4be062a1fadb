import type { FunctionHost, InvokeOutcome } from "../contract.ts";

export type IntegrationOutcome = InvokeOutcome | { kind: "integration_timeout" };

/**
 * Invokes the function and waits at most `timeoutMs` for it, as an API Gateway integration does: the function itself runs on
 * after that, only its result is lost. Never rejects.
 */
export async function integrate(
  functions: FunctionHost,
  functionId: string,
  event: unknown,
  timeoutMs: number,
): Promise<IntegrationOutcome> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<IntegrationOutcome>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "integration_timeout" }), timeoutMs).unref();
  });
  const invocation = (async () => functions.invoke(functionId, event))().catch((error: unknown): InvokeOutcome => ({
    kind: "crashed",
    message: String(error),
  }));
  try {
    return await Promise.race([invocation, limit]);
  } finally {
    clearTimeout(timer);
  }
}
