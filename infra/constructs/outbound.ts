import { Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import { EventBus } from "aws-cdk-lib/aws-events";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { eventSource } from "../../shared/protocol/webhook.ts";
import { NodeFunction, type Use } from "./node-function.ts";
import type { Platform } from "./platform.ts";

export interface OutboundProps {
  readonly stage: string;
  readonly retain: boolean;
}

/** An attempt takes 10 s and its courier 15; a publisher of a long log about as long. */
const outboundTimeout = Duration.minutes(1);
const courierTimeout = Duration.seconds(15);
const maxReceiveCount = 6;

/** What leaves the platform by itself: the queue of what is to be told, the account's bus, and the secret of the webhooks. */
export class Outbound extends Construct {
  readonly bus: EventBus;
  private readonly queue: Queue;
  private readonly secret: Secret;

  constructor(scope: Construct, id: string, props: OutboundProps) {
    super(scope, id);
    this.bus = new EventBus(scope, "EventBus", {
      eventBusName: `${eventSource}-${props.stage}`,
      description: "What happens in sessions: see docs/events-outward.md",
    });
    this.secret = new Secret(scope, "WebhookSecret", {
      description: "Seals the signing secrets of webhooks in the table",
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    Validations.of(this.secret).acknowledge({
      id: "AwsSolutions-SMG4",
      reason: "What it sealed can be opened for one rotation only: a schedule would lose the webhooks' secrets.",
    });
    this.queue = createQueue(scope);
  }

  forSending(): Use<"OUTBOUND_QUEUE_URL"> {
    return {
      variables: [["OUTBOUND_QUEUE_URL", this.queue.queueUrl]],
      statements: [new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [this.queue.queueArn] })],
    };
  }

  forSealing(): Use<"WEBHOOK_SECRET_ID"> {
    const { secretArn } = this.secret;
    return {
      variables: [["WEBHOOK_SECRET_ID", secretArn]],
      statements: [new PolicyStatement({ actions: ["secretsmanager:GetSecretValue"], resources: [secretArn] })],
    };
  }

  /** Events of the platform's own source, and no others. */
  forPuttingEvents(): Use<"EVENT_BUS_ARN" | "EVENTS_URL"> {
    const { region, urlSuffix } = Stack.of(this);
    return {
      variables: [
        ["EVENT_BUS_ARN", this.bus.eventBusArn],
        ["EVENTS_URL", `https://events.${region}.${urlSuffix}`],
      ],
      statements: [
        new PolicyStatement({
          actions: ["events:PutEvents"],
          resources: [this.bus.eventBusArn],
          conditions: { StringEquals: { "events:source": eventSource } },
        }),
      ],
    };
  }

  /** One message an invocation: an attempt may wait for a stranger, and nothing else shall wait with it. */
  deliverTo(consumer: LambdaFunction, maxConcurrency: number): void {
    consumer.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 1, maxConcurrency, reportBatchItemFailures: true }),
    );
    Validations.of(consumer).acknowledge({
      id: "Serverless-LambdaEventSourceMappingDestination",
      reason: "Failed messages go to the queue's own dead letters, and the sweeper finds what they were about.",
    });
  }
}

function createQueue(scope: Construct): Queue {
  const common = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
  const deadLetters = new Queue(scope, "OutboundDeadLetters", { ...common, retentionPeriod: Duration.days(14) });
  Validations.of(deadLetters).acknowledge({
    id: "Serverless-SQSRedrivePolicy",
    reason: "It is the dead letter queue.",
  });
  return new Queue(scope, "OutboundQueue", {
    ...common,
    retentionPeriod: Duration.days(1),
    // AWS's rule: six times the consumer's timeout.
    visibilityTimeout: Duration.seconds(6 * outboundTimeout.toSeconds()),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount },
  });
}

/** Who tells the outside. The courier alone calls strangers' URLs: it holds no right, no secret and no row. */
export function outboundFunctions(scope: Construct, platform: Platform) {
  const { settings, config, table, outbound } = platform;
  const courier = new NodeFunction(scope, "Courier", {
    process: "courier",
    settings,
    timeout: courierTimeout,
    memoryMiB: 256,
    uses: [],
    environment: { PRIVATE_WEBHOOKS: String(config.privateWebhooks) },
  });
  const worker = new NodeFunction(scope, "Outbound", {
    process: "outbound",
    settings,
    timeout: outboundTimeout,
    memoryMiB: 512,
    uses: [
      table.forReadingAndWriting(),
      outbound.forSending(),
      outbound.forPuttingEvents(),
      outbound.forSealing(),
      courier.forInvoking("COURIER_FUNCTION"),
    ],
    environment: {},
  });
  return { courier, worker };
}
