import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { Entity, Service } from "electrodb";
import { loginEntity } from "../domain/account/login.entity.ts";
import { refreshTokenEntity } from "../domain/account/refresh-token.entity.ts";
import { tenantEntity } from "../domain/account/tenant.entity.ts";
import { userEntity } from "../domain/account/user.entity.ts";
import { gitCheckpointEntity } from "../domain/checkpoint/git-checkpoint.entity.ts";
import { connectionEntity } from "../domain/connection/connection.entity.ts";
import { signingKeyEntity } from "../domain/connection/signing-key.entity.ts";
import { subscriptionEntity } from "../domain/connection/subscription.entity.ts";
import { wsTicketEntity } from "../domain/connection/ws-ticket.entity.ts";
import { containerEntity } from "../domain/container/container.entity.ts";
import { conversationEntity } from "../domain/conversation/conversation.entity.ts";
import { idempotencyEntity } from "../domain/idempotency/idempotency.entity.ts";
import { bucketEntity } from "../domain/quota/bucket.entity.ts";
import { sessionEntity } from "../domain/session/session.entity.ts";
import { chatMessageEntity } from "../domain/timeline/chat-message.entity.ts";
import { sessionEventEntity } from "../domain/timeline/session-event.entity.ts";
import { toolCallEntity } from "../domain/tool-call/tool-call.entity.ts";
import { tokenUsageEntity } from "../domain/usage/token-usage.entity.ts";
import { usageCounterEntity } from "../domain/usage/usage-counter.entity.ts";

/** The one table, as the adapters hand it to the verbs. */
export interface Table {
  client: DynamoDBDocumentClient;
  name: string;
}

function build(table: Table) {
  const config = { client: table.client, table: table.name };
  return new Service(
    {
      login: new Entity(loginEntity, config),
      tenant: new Entity(tenantEntity, config),
      user: new Entity(userEntity, config),
      refreshToken: new Entity(refreshTokenEntity, config),
      signingKey: new Entity(signingKeyEntity, config),
      wsTicket: new Entity(wsTicketEntity, config),
      session: new Entity(sessionEntity, config),
      conversation: new Entity(conversationEntity, config),
      chatMessage: new Entity(chatMessageEntity, config),
      sessionEvent: new Entity(sessionEventEntity, config),
      gitCheckpoint: new Entity(gitCheckpointEntity, config),
      toolCall: new Entity(toolCallEntity, config),
      container: new Entity(containerEntity, config),
      tokenUsage: new Entity(tokenUsageEntity, config),
      usageCounter: new Entity(usageCounterEntity, config),
      connection: new Entity(connectionEntity, config),
      subscription: new Entity(subscriptionEntity, config),
      bucket: new Entity(bucketEntity, config),
      idempotency: new Entity(idempotencyEntity, config),
    },
    config,
  );
}

export type Platform = ReturnType<typeof build>;

const built = new WeakMap<Table, Platform>();

/** Every entity bound to the table, and the transactions over them. */
export function rows(table: Table): Platform {
  const known = built.get(table);
  if (known) return known;
  const service = build(table);
  built.set(table, service);
  return service;
}
