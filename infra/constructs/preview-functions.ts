import { Duration } from "aws-cdk-lib";
import { Effect, Policy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { NodeFunction, type Use } from "./node-function.ts";
import type { Platform } from "./platform.ts";

/** How long an answer may be streamed. A visitor who leaves is not told to the functions: they run on until this. */
export const streamTime = Duration.minutes(5);

const interfaceActions = [
  "ec2:CreateNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DeleteNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
];

export type Relay = NodeFunction<"previewRelay">;

/** Sees the sandboxes' network and nothing else. */
export function relayFunction(scope: Construct, { settings, network }: Pick<Platform, "settings" | "network">): Relay {
  const relay = new NodeFunction(scope, "PreviewRelay", {
    process: "previewRelay",
    settings,
    timeout: streamTime,
    memoryMiB: 512,
    uses: [forJoiningNetwork()],
    environment: {},
    network: { vpc: network.vpc, securityGroup: network.previewRelay },
  });
  denyInterfacesToCode(relay);
  return relay;
}

/** Public, and sees the table. */
export function previewFront(scope: Construct, platform: Platform) {
  const { settings, table, queue, secrets, relay } = platform;
  return new NodeFunction(scope, "PreviewFront", {
    process: "previewFront",
    settings,
    timeout: streamTime,
    memoryMiB: 512,
    uses: [
      table.forReadingAndPatching(),
      queue.forSending(),
      secrets.forReadingPreview(),
      relay.forInvoking("PREVIEW_RELAY_FUNCTION"),
    ],
    environment: { PREVIEW_ORIGIN: platform.previewOrigin },
  });
}

/** What the Lambda service does in the function's name to put it into the network. */
function forJoiningNetwork(): Use<never> {
  return {
    variables: [],
    statements: [new PolicyStatement({ actions: interfaceActions, resources: ["*"] })],
    wildcardReason:
      "The interfaces do not exist yet when the Lambda service asks for them; the function's own code is denied these actions.",
  };
}

function denyInterfacesToCode(relay: NodeFunction<"previewRelay">): void {
  const statement = new PolicyStatement({
    effect: Effect.DENY,
    actions: interfaceActions,
    resources: ["*"],
    conditions: { ArnEquals: { "lambda:SourceFunctionArn": relay.functionArn } },
  });
  relay.executionRole.attachInlinePolicy(new Policy(relay, "NoInterfacesForCode", { statements: [statement] }));
}
