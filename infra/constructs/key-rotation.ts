import { Duration, Validations } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import type { Construct } from "constructs";
import { NodeFunction } from "./node-function.ts";
import type { Platform } from "./platform.ts";

/**
 * Renews the secrets that tokens are signed with. A schedule of our own, not Secrets Manager's: it has one function for
 * all four and publishes each public key before anything signs with it.
 */
export function keyRotation(scope: Construct, { settings, table, secrets }: Platform): void {
  const rotation = new NodeFunction(scope, "KeyRotation", {
    process: "keyRotation",
    settings,
    timeout: Duration.minutes(1),
    memoryMiB: 512,
    uses: [table.forReadingAndWriting(), secrets.forRotating()],
    environment: {},
  });
  const rule = new Rule(scope, "KeyRotationSchedule", {
    schedule: Schedule.rate(Duration.days(30)),
    targets: [new LambdaTarget(rotation, { retryAttempts: 2, maxEventAge: Duration.hours(6) })],
  });
  Validations.of(rule).acknowledge({
    id: "Serverless-EventBusDLQ",
    reason: "A run that fails is repeated twice; what is left undone then, the next run does.",
  });
}
