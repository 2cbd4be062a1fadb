import { Duration, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource, type SqsEventSourceProps } from "aws-cdk-lib/aws-lambda-event-sources";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import type { Use } from "./node-function.ts";

export interface WorkQueueProps {
  /** Timeouts of the functions that will consume the queue and its dead letters. */
  readonly consumerTimeout: Duration;
  readonly deadLetterTimeout: Duration;
}

const maxReceiveCount = 6;
/** AWS's rule: a message must not come back while its consumer may still be retried by the poller. */
const visibilityFactor = 6;

/**
 * Standard, never FIFO: a failed message of a FIFO group would hold its session back for the whole visibility timeout.
 * Messages are wake-ups without state, so neither order nor duplicates matter.
 */
export class WorkQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: WorkQueueProps) {
    super(scope, id);
    const common = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    this.deadLetters = new Queue(this, "DeadLetters", {
      ...common,
      retentionPeriod: Duration.days(14),
      visibilityTimeout: times(props.deadLetterTimeout, visibilityFactor),
    });
    Validations.of(this.deadLetters).acknowledge({
      id: "Serverless-SQSRedrivePolicy",
      reason: "It is the dead letter queue.",
    });
    this.queue = new Queue(this, "Queue", {
      ...common,
      retentionPeriod: Duration.days(4),
      visibilityTimeout: times(props.consumerTimeout, visibilityFactor),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount },
    });
  }

  forSending(): Use<"WORK_QUEUE_URL"> {
    return {
      variables: [["WORK_QUEUE_URL", this.queue.queueUrl]],
      statements: [new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [this.queue.queueArn] })],
    };
  }

  /** One message an invocation: a step may take all of the function's time. */
  deliverTo(consumer: LambdaFunction, maxConcurrency: number): void {
    this.deliver(
      this.queue,
      consumer,
      { batchSize: 1, maxConcurrency },
      "Failed messages go to the queue's own dead letters.",
    );
  }

  deliverDeadLettersTo(consumer: LambdaFunction): void {
    this.deliver(
      this.deadLetters,
      consumer,
      { batchSize: 10 },
      "A dead letter that fails again stays for 14 days, and the alarm tells.",
    );
  }

  private deliver(queue: Queue, consumer: LambdaFunction, props: SqsEventSourceProps, whereFailuresGo: string): void {
    consumer.addEventSource(new SqsEventSource(queue, { ...props, reportBatchItemFailures: true }));
    Validations.of(consumer).acknowledge({
      id: "Serverless-LambdaEventSourceMappingDestination",
      reason: whereFailuresGo,
    });
  }
}

const times = (duration: Duration, factor: number): Duration => Duration.seconds(duration.toSeconds() * factor);
