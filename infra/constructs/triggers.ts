import { Duration, Validations } from "aws-cdk-lib";
import type { ICluster } from "aws-cdk-lib/aws-ecs";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";

export interface SweeperScheduleProps {
  readonly sweeper: LambdaFunction;
}

/** Each minute: the last resort for whatever lost its wake-up. */
export class SweeperSchedule extends Construct {
  constructor(scope: Construct, id: string, props: SweeperScheduleProps) {
    super(scope, id);
    const target = new LambdaTarget(props.sweeper, { retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    const rule = new Rule(this, "Rule", { schedule: Schedule.rate(Duration.minutes(1)), targets: [target] });
    Validations.of(rule).acknowledge({
      id: "Serverless-EventBusDLQ",
      reason: "A lost tick is made up for by the next one, a minute later.",
    });
  }
}

export interface TaskStateRuleProps {
  readonly cluster: ICluster;
  readonly listener: LambdaFunction;
}

/** What ECS says about the tasks of our cluster. */
export class TaskStateRule extends Construct {
  constructor(scope: Construct, id: string, props: TaskStateRuleProps) {
    super(scope, id);
    const rule = new Rule(this, "Rule", {
      eventPattern: {
        source: ["aws.ecs"],
        detailType: ["ECS Task State Change"],
        detail: { clusterArn: [props.cluster.clusterArn] },
      },
      targets: [new LambdaTarget(props.listener)],
    });
    Validations.of(rule).acknowledge({
      id: "Serverless-EventBusDLQ",
      reason: "A lost state change is made up for by the missing heartbeat and by the sweeper.",
    });
  }
}
