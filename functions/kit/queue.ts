import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import type * as z from "zod";
import type { Log } from "../../shared/ports/log.ts";

/** Of the invocation, at its begin. */
export interface TimeLeft {
  remainingMs: number;
}

/**
 * Runs each record on its own, beside the others of its batch: only those that failed are returned. A record that no retry
 * can mend is dropped, loudly.
 */
export function onRecords<Message, Deps extends { log: Log }>(
  schema: z.ZodType<Message>,
  live: () => Deps,
  run: (deps: Deps, message: Message, time: TimeLeft) => Promise<void>,
) {
  let deps: Deps | null = null;
  return async (event: SQSEvent, context: Pick<Context, "getRemainingTimeInMillis">): Promise<SQSBatchResponse> => {
    deps ??= live();
    const known = deps;
    const time = { remainingMs: context.getRemainingTimeInMillis() };
    const isDone = await Promise.all(
      event.Records.map(async ({ messageId, body }) => {
        const message = parse(schema, body);
        if (message !== null) return succeeds(known.log, messageId, () => run(known, message, time));
        known.log.error("message is not readable", { request_id: messageId });
        return true;
      }),
    );
    const failed = event.Records.filter((_, index) => !isDone[index]);
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  };
}

async function succeeds(log: Log, request_id: string, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    log.error("message failed", { request_id, error: message, stack });
    return false;
  }
}

function parse<Message>(schema: z.ZodType<Message>, body: string): Message | null {
  try {
    const parsed = schema.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
