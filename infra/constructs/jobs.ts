import { Duration, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { NodeFunction, type Use } from "./node-function.ts";
import type { Platform } from "./platform.ts";

/** A session of 10,000 messages takes seconds; a larger one is gone on with by the sweeper's next message. */
const jobTimeout = Duration.minutes(5);
const maxReceiveCount = 6;
/** Over all tenants: deleting may take its time. */
const maxConcurrency = 10;

/** What is to be done behind a request's back: messages name it, the table knows what remains of it. */
export class JobQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const common = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    this.deadLetters = new Queue(this, "DeadLetters", { ...common, retentionPeriod: Duration.days(14) });
    Validations.of(this.deadLetters).acknowledge({
      id: "Serverless-SQSRedrivePolicy",
      reason: "It is the dead letter queue.",
    });
    this.queue = new Queue(this, "Queue", {
      ...common,
      retentionPeriod: Duration.days(4),
      // AWS's rule: six times the consumer's timeout.
      visibilityTimeout: Duration.seconds(6 * jobTimeout.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount },
    });
  }

  forSending(): Use<"JOB_QUEUE_URL"> {
    return {
      variables: [["JOB_QUEUE_URL", this.queue.queueUrl]],
      statements: [new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [this.queue.queueArn] })],
    };
  }

  /** One message an invocation: a job may take all of the function's time. */
  deliverTo(consumer: LambdaFunction): void {
    consumer.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 1, maxConcurrency, reportBatchItemFailures: true }),
    );
    Validations.of(consumer).acknowledge({
      id: "Serverless-LambdaEventSourceMappingDestination",
      reason: "Failed messages go to the queue's own dead letters, and the sweeper sends what is left to do again.",
    });
  }
}

/** The only function that deletes rows in bulk and objects at all. It copies the bodies of forked sessions. */
export function jobsFunction(scope: Construct, platform: Platform) {
  const { settings, table, bucket, sockets, outbound, task } = platform;
  return new NodeFunction(scope, "Jobs", {
    process: "jobs",
    settings,
    timeout: jobTimeout,
    memoryMiB: 512,
    uses: [
      table.forRemoving(),
      bucket.forReadingAndWriting(),
      bucket.forRemoving(),
      sockets.forPosting(),
      outbound.forSending(),
      task.forStopping(),
    ],
    environment: {},
  });
}
