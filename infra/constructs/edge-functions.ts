import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { NodeFunction } from "./node-function.ts";
import { sandboxOffer } from "../stage-config.ts";
import type { Platform } from "./platform.ts";

/** Who calls over HTTP. */
export function httpFunctions(scope: Construct, platform: Platform) {
  const { settings, config, table, queue, outbound, bucket, sockets, secrets } = platform;
  const naming = new NodeFunction(scope, "Naming", {
    process: "naming",
    settings,
    timeout: Duration.seconds(10),
    memoryMiB: 512,
    uses: [secrets.forReadingModel()],
    environment: { NAMING_MODEL: config.namingModel },
  });
  const http = new NodeFunction(scope, "Http", {
    process: "http",
    settings,
    timeout: Duration.seconds(29),
    memoryMiB: 1024,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      outbound.forSealing(),
      platform.jobs.forSending(),
      bucket.forReadingAndWriting(),
      sockets.forPosting(),
      secrets.forReadingUser(),
      secrets.forReadingSandbox(),
      secrets.forReadingPreview(),
      secrets.forReadingGit(),
      secrets.forKeepingTenants(),
      naming.forInvoking("NAMING_FUNCTION"),
      platform.relay.forInvoking("PREVIEW_RELAY_FUNCTION"),
    ],
    environment: {
      TOKEN_ISSUER: platform.api.apiEndpoint,
      GIT_HOSTS: JSON.stringify(config.gitHosts),
      PREVIEW_ORIGIN: platform.previewOrigin,
      WEBSOCKET_URL: sockets.url,
      TURN_MODEL: config.turnModel,
      PRIVATE_WEBHOOKS: String(config.privateWebhooks),
      REGISTRATION: config.registration,
      OIDC_PROVIDERS: JSON.stringify(config.oidc),
      DEFAULT_PLAN: config.defaultPlan,
      SANDBOX_OFFER: JSON.stringify(sandboxOffer(config)),
      PUBLIC_REQUESTS: JSON.stringify(config.publicRequests),
      ALLOWED_ORIGINS: JSON.stringify(config.allowedOrigins),
    },
  });
  return { naming, http };
}

/** Who holds a WebSocket: one function per trust boundary. */
export function socketFunctions(scope: Construct, platform: Platform) {
  const { settings, config, table, queue, outbound, bucket, sockets, secrets } = platform;
  const connect = new NodeFunction(scope, "Connect", {
    process: "connect",
    settings,
    timeout: Duration.seconds(10),
    memoryMiB: 512,
    uses: [table.forReadingAndWriting()],
    environment: {
      TOKEN_ISSUER: platform.api.apiEndpoint,
      DEFAULT_PLAN: config.defaultPlan,
      ALLOWED_ORIGINS: JSON.stringify(config.allowedOrigins),
    },
  });
  const disconnect = new NodeFunction(scope, "Disconnect", {
    process: "disconnect",
    settings,
    timeout: Duration.seconds(10),
    memoryMiB: 512,
    uses: [table.forReadingAndWriting(), queue.forSending()],
    environment: {},
  });
  const frames = new NodeFunction(scope, "Frames", {
    process: "frames",
    settings,
    timeout: Duration.seconds(29),
    memoryMiB: 1024,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      sockets.forPosting(),
      bucket.forReadingAndWriting(),
      platform.relay.forInvoking("PREVIEW_RELAY_FUNCTION"),
    ],
    environment: { DEFAULT_PLAN: config.defaultPlan },
  });
  const sandbox = new NodeFunction(scope, "Sandbox", {
    process: "sandbox",
    settings,
    timeout: Duration.seconds(29),
    memoryMiB: 1024,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      sockets.forPosting(),
      bucket.forReadingAndWriting(),
      secrets.forReadingSandbox(),
      secrets.forUsingGit(),
      outbound.forSealing(),
    ],
    environment: {
      TOKEN_ISSUER: platform.api.apiEndpoint,
      GIT_HOSTS: JSON.stringify(config.gitHosts),
      SANDBOX_OFFER: JSON.stringify(sandboxOffer(config)),
    },
  });
  return { connect, disconnect, frames, sandbox };
}
