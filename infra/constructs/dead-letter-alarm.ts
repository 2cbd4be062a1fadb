import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

export interface DeadLetterAlarmProps {
  readonly deadLetters: Queue;
  /** Null: the alarm is only to be seen in the console. */
  readonly topicArn: string | null;
}

/** Fires when a wake-up was given up: a session is about to be marked as failed, or already is. */
export class DeadLetterAlarm extends Construct {
  constructor(scope: Construct, id: string, props: DeadLetterAlarmProps) {
    super(scope, id);
    const alarm = new Alarm(this, "Alarm", {
      alarmDescription: "A wake-up failed six times: see the log of the Turn function for the session that it names",
      // Redriven messages are not counted as sent, and are gone before anybody counts the visible ones.
      metric: props.deadLetters.metricNumberOfMessagesReceived({ period: Duration.minutes(5), statistic: "Sum" }),
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    if (props.topicArn !== null) alarm.addAlarmAction(new SnsAction(Topic.fromTopicArn(this, "Topic", props.topicArn)));
  }
}
