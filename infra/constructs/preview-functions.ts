import { Duration } from "aws-cdk-lib";
import { Effect, Policy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { NodeFunction, type Use } from "./node-function.ts";
import type { Platform } from "./platform.ts";

const interfaceActions = [
  "ec2:CreateNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DeleteNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
];

/** The front is public and sees the table; the relay sees the sandboxes' network and nothing else. */
export function previewFunctions(scope: Construct, platform: Platform) {
  const { settings, table, secrets, network } = platform;
  const relay = new NodeFunction(scope, "PreviewRelay", {
    process: "previewRelay",
    settings,
    timeout: Duration.seconds(29),
    memoryMiB: 512,
    uses: [forJoiningNetwork()],
    environment: {},
    network: { vpc: network.vpc, securityGroup: network.previewRelay },
  });
  denyInterfacesToCode(relay);
  const front = new NodeFunction(scope, "PreviewFront", {
    process: "previewFront",
    settings,
    timeout: Duration.seconds(29),
    memoryMiB: 512,
    uses: [table.forReading(), secrets.forReadingPreview(), relay.forInvoking("PREVIEW_RELAY_FUNCTION")],
    environment: { PREVIEW_ORIGIN: platform.previewOrigin },
  });
  return { relay, front };
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
