import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { Entity, Service } from "electrodb";
import { identityEntity } from "../domain/account/identity.entity.ts";
import { inviteEntity } from "../domain/account/invite.entity.ts";
import { loginEntity } from "../domain/account/login.entity.ts";
import { refreshTokenEntity } from "../domain/account/refresh-token.entity.ts";
import { spentIdTokenEntity } from "../domain/account/spent-id-token.entity.ts";
import { tenantEntity } from "../domain/account/tenant.entity.ts";
import { userEntity } from "../domain/account/user.entity.ts";
import { apiKeyEntity } from "../domain/api-key/api-key.entity.ts";
import { budgetEntity } from "../domain/budget/budget.entity.ts";
import { gitCheckpointEntity } from "../domain/checkpoint/git-checkpoint.entity.ts";
import { connectionEntity } from "../domain/connection/connection.entity.ts";
import { signingKeyEntity } from "../domain/connection/signing-key.entity.ts";
import { subscriptionEntity } from "../domain/connection/subscription.entity.ts";
import { tenantConnectionEntity } from "../domain/connection/tenant-connection.entity.ts";
import { wsTicketEntity } from "../domain/connection/ws-ticket.entity.ts";
import { containerEntity } from "../domain/container/container.entity.ts";
import { conversationEntity } from "../domain/conversation/conversation.entity.ts";
import { gitCredentialEntity } from "../domain/git-credential/git-credential.entity.ts";
import { idempotencyEntity } from "../domain/idempotency/idempotency.entity.ts";
import { idempotencyKeyEntity } from "../domain/idempotency/idempotency-key.entity.ts";
import { inboxCounterEntity } from "../domain/inbox/inbox-counter.entity.ts";
import { inboxMarkEntity } from "../domain/inbox/inbox-mark.entity.ts";
import { spentTicketEntity } from "../domain/preview/spent-ticket.entity.ts";
import { bucketEntity } from "../domain/quota/bucket.entity.ts";
import { quotaCounterEntity } from "../domain/quota/quota-counter.entity.ts";
import { secretEntity } from "../domain/secret/secret.entity.ts";
import { packHoldEntity } from "../domain/session/pack-hold.entity.ts";
import { sessionBranchEntity } from "../domain/session/session-branch.entity.ts";
import { sessionDocumentEntity } from "../domain/session/session-document.entity.ts";
import { sessionRemovalEntity } from "../domain/session/session-removal.entity.ts";
import { sessionWordEntity } from "../domain/session/session-word.entity.ts";
import { sessionEntity } from "../domain/session/session.entity.ts";
import { chatMessageEntity } from "../domain/timeline/chat-message.entity.ts";
import { sessionEventEntity } from "../domain/timeline/session-event.entity.ts";
import { toolCallEntity } from "../domain/tool-call/tool-call.entity.ts";
import { sandboxUsageEntity } from "../domain/usage/sandbox-usage.entity.ts";
import { tokenUsageEntity } from "../domain/usage/token-usage.entity.ts";
import { usageCounterEntity } from "../domain/usage/usage-counter.entity.ts";
import { usageDayEntity } from "../domain/usage/usage-day.entity.ts";
import { warmSandboxEntity } from "../domain/warm/warm-sandbox.entity.ts";
import { webhookDeliveryEntity } from "../domain/webhook/webhook-delivery.entity.ts";
import { webhookEntity } from "../domain/webhook/webhook.entity.ts";

/** All that ElectroDB wants of a document client. */
export type TableClient = Pick<DynamoDBDocumentClient, "send">;

/** The one table, as the adapters hand it to the verbs. */
export interface Table {
  client: TableClient;
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
      invite: new Entity(inviteEntity, config),
      identity: new Entity(identityEntity, config),
      spentIdToken: new Entity(spentIdTokenEntity, config),
      signingKey: new Entity(signingKeyEntity, config),
      wsTicket: new Entity(wsTicketEntity, config),
      spentTicket: new Entity(spentTicketEntity, config),
      warmSandbox: new Entity(warmSandboxEntity, config),
      apiKey: new Entity(apiKeyEntity, config),
      tenantConnection: new Entity(tenantConnectionEntity, config),
      session: new Entity(sessionEntity, config),
      sessionDocument: new Entity(sessionDocumentEntity, config),
      sessionWord: new Entity(sessionWordEntity, config),
      sessionBranch: new Entity(sessionBranchEntity, config),
      sessionRemoval: new Entity(sessionRemovalEntity, config),
      secret: new Entity(secretEntity, config),
      packHold: new Entity(packHoldEntity, config),
      inboxMark: new Entity(inboxMarkEntity, config),
      inboxCounter: new Entity(inboxCounterEntity, config),
      conversation: new Entity(conversationEntity, config),
      chatMessage: new Entity(chatMessageEntity, config),
      sessionEvent: new Entity(sessionEventEntity, config),
      gitCheckpoint: new Entity(gitCheckpointEntity, config),
      toolCall: new Entity(toolCallEntity, config),
      container: new Entity(containerEntity, config),
      tokenUsage: new Entity(tokenUsageEntity, config),
      sandboxUsage: new Entity(sandboxUsageEntity, config),
      usageCounter: new Entity(usageCounterEntity, config),
      usageDay: new Entity(usageDayEntity, config),
      connection: new Entity(connectionEntity, config),
      subscription: new Entity(subscriptionEntity, config),
      budget: new Entity(budgetEntity, config),
      bucket: new Entity(bucketEntity, config),
      quotaCounter: new Entity(quotaCounterEntity, config),
      gitCredential: new Entity(gitCredentialEntity, config),
      idempotency: new Entity(idempotencyEntity, config),
      webhook: new Entity(webhookEntity, config),
      webhookDelivery: new Entity(webhookDeliveryEntity, config),
      idempotencyKey: new Entity(idempotencyKeyEntity, config),
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
