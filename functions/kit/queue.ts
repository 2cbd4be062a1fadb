import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import type * as z from "zod";
import type { Log } from "../../shared/ports/log.ts";

/** Runs each record on its own: only those that failed are returned. A record that no retry can mend is dropped, loudly. */
export function onRecords<Message, Deps extends { log: Log }>(
  schema: z.ZodType<Message>,
  live: () => Deps,
  run: (deps: Deps, message: Message) => Promise<void>,
) {
  let deps: Deps | null = null;
  return async (event: SQSEvent): Promise<SQSBatchResponse> => {
    deps ??= live();
    const { log } = deps;
    const failed: SQSBatchResponse["batchItemFailures"] = [];
    for (const record of event.Records) {
      const message = parse(schema, record.body);
      if (message === null) {
        log.error("message is not readable", { request_id: record.messageId });
        continue;
      }
      try {
        await run(deps, message);
      } catch (error) {
        const { message: text, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
        log.error("message failed", { request_id: record.messageId, error: text, stack });
        failed.push({ itemIdentifier: record.messageId });
      }
    }
    return { batchItemFailures: failed };
  };
}

function parse<Message>(schema: z.ZodType<Message>, body: string): Message | null {
  try {
    const parsed = schema.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
