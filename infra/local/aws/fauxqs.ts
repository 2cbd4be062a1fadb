/**
 * The queue engine of fauxqs without its HTTP server, by path, since the package exports only the whole:
 * 4 MB and 15 ms instead of 30 MB and 230 ms, and no port. The version is pinned exactly.
 */
import { changeMessageVisibility } from "../../../node_modules/fauxqs/dist/sqs/actions/changeMessageVisibility.js";
import { changeMessageVisibilityBatch } from "../../../node_modules/fauxqs/dist/sqs/actions/changeMessageVisibilityBatch.js";
import { deleteMessage } from "../../../node_modules/fauxqs/dist/sqs/actions/deleteMessage.js";
import { deleteMessageBatch } from "../../../node_modules/fauxqs/dist/sqs/actions/deleteMessageBatch.js";
import { getQueueAttributes } from "../../../node_modules/fauxqs/dist/sqs/actions/getQueueAttributes.js";
import { purgeQueue } from "../../../node_modules/fauxqs/dist/sqs/actions/purgeQueue.js";
import { receiveMessage } from "../../../node_modules/fauxqs/dist/sqs/actions/receiveMessage.js";
import { sendMessage } from "../../../node_modules/fauxqs/dist/sqs/actions/sendMessage.js";
import { sendMessageBatch } from "../../../node_modules/fauxqs/dist/sqs/actions/sendMessageBatch.js";
import type { SqsStore as Store } from "../../../node_modules/fauxqs/dist/sqs/sqsStore.js";

export { SqsError } from "../../../node_modules/fauxqs/dist/common/errors.js";
export { SqsStore, type SqsQueue } from "../../../node_modules/fauxqs/dist/sqs/sqsStore.js";

type Values = Record<string, unknown>;

/** By the action's name in SQS's JSON protocol. Errors are `SqsError`. */
export const queueActions: Record<string, (input: Values, store: Store) => unknown> = {
  ChangeMessageVisibility: changeMessageVisibility,
  ChangeMessageVisibilityBatch: changeMessageVisibilityBatch,
  DeleteMessage: deleteMessage,
  DeleteMessageBatch: deleteMessageBatch,
  GetQueueAttributes: getQueueAttributes,
  PurgeQueue: purgeQueue,
  ReceiveMessage: receiveMessage,
  SendMessage: sendMessage,
  SendMessageBatch: sendMessageBatch,
};
