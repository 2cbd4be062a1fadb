import * as z from "zod";
import * as account from "../../shared/protocol/account.ts";
import * as apiKey from "../../shared/protocol/api-key.ts";
import * as approval from "../../shared/protocol/approval.ts";
import * as budget from "../../shared/protocol/budget.ts";
import * as checkpoint from "../../shared/protocol/checkpoint.ts";
import * as clientFrame from "../../shared/protocol/client-frame.ts";
import * as content from "../../shared/protocol/content.ts";
import * as conversation from "../../shared/protocol/conversation.ts";
import * as errorCode from "../../shared/protocol/error-code.ts";
import * as file from "../../shared/protocol/file.ts";
import * as fork from "../../shared/protocol/fork.ts";
import * as gitCredential from "../../shared/protocol/git-credential.ts";
import * as health from "../../shared/protocol/health.ts";
import * as ids from "../../shared/protocol/ids.ts";
import * as inbox from "../../shared/protocol/inbox.ts";
import * as member from "../../shared/protocol/member.ts";
import * as merge from "../../shared/protocol/merge.ts";
import * as mergeReport from "../../shared/protocol/merge-report.ts";
import * as network from "../../shared/protocol/network.ts";
import * as permission from "../../shared/protocol/permission.ts";
import * as preview from "../../shared/protocol/preview.ts";
import * as problem from "../../shared/protocol/problem.ts";
import * as pullRequest from "../../shared/protocol/pull-request.ts";
import * as sandboxConfig from "../../shared/protocol/sandbox-config.ts";
import * as sandboxFrame from "../../shared/protocol/sandbox-frame.ts";
import * as secret from "../../shared/protocol/secret.ts";
import * as serverEvent from "../../shared/protocol/server-event.ts";
import * as session from "../../shared/protocol/session.ts";
import * as terminal from "../../shared/protocol/terminal.ts";
import * as usage from "../../shared/protocol/usage.ts";
import * as webhook from "../../shared/protocol/webhook.ts";

const modules = [
  ids,
  errorCode,
  problem,
  permission,
  account,
  member,
  apiKey,
  network,
  sandboxConfig,
  secret,
  session,
  inbox,
  content,
  approval,
  clientFrame,
  conversation,
  checkpoint,
  file,
  terminal,
  fork,
  gitCredential,
  merge,
  mergeReport,
  pullRequest,
  serverEvent,
  usage,
  budget,
  webhook,
  preview,
  health,
  sandboxFrame,
];

/** The protocol's schemas under the names that they are exported with: these become the documents' components. */
export function protocolNames(): z.core.$ZodRegistry<{ id: string }> {
  const named = z.registry<{ id: string }>();
  for (const [id, schema] of modules.flatMap((module) => Object.entries(module))) {
    if (schema instanceof z.ZodType && !named.has(schema)) named.add(schema, { id: id.replace(/Schema$/, "") });
  }
  return named;
}
