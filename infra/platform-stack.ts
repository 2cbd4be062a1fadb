import { CfnOutput, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { answeredFrameTypes, sandboxFrameTypes } from "../shared/protocol/sandbox-frame.ts";
import { DataTable } from "./constructs/data-table.ts";
import { DeadLetterAlarm } from "./constructs/dead-letter-alarm.ts";
import { httpFunctions, socketFunctions } from "./constructs/edge-functions.ts";
import { OneFunctionApi } from "./constructs/http-api.ts";
import { keyRotation } from "./constructs/key-rotation.ts";
import { JobQueue, jobsFunction } from "./constructs/jobs.ts";
import { Network } from "./constructs/network.ts";
import { ObjectsBucket } from "./constructs/objects-bucket.ts";
import { Outbound, outboundFunctions } from "./constructs/outbound.ts";
import type { Platform } from "./constructs/platform.ts";
import { PlatformSecrets } from "./constructs/platform-secrets.ts";
import { PreviewDomain } from "./constructs/preview-domain.ts";
import { previewFront, relayFunction } from "./constructs/preview-functions.ts";
import { SandboxTask } from "./constructs/sandbox-task.ts";
import { SweeperSchedule, TaskStateRule } from "./constructs/triggers.ts";
import { StreamedApi } from "./constructs/streamed-api.ts";
import { FrameApi } from "./constructs/websocket-api.ts";
import { deadLetterTimeout, turnTimeout, workerFunctions } from "./constructs/worker-functions.ts";
import { WorkQueue } from "./constructs/work-queue.ts";
import type { StageConfig } from "./stage-config.ts";

export interface PlatformStackProps extends StackProps {
  readonly config: StageConfig;
  /** Where `npm run build` wrote the bundles. */
  readonly codeDirectory: string;
  readonly version: string;
}

interface Logs {
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
}

const previewPort = 8080;

/** The whole platform. At rest it costs its secrets and an alarm: nothing in it idles. */
export class PlatformStack extends Stack {
  constructor(scope: Construct, id: string, props: PlatformStackProps) {
    super(scope, id, props);
    const { config, codeDirectory } = props;
    const retain = config.retainData;
    const logs: Logs = {
      logRetention: config.logRetention,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };

    const table = new DataTable(this, "DataTable", { retain });
    const bucket = new ObjectsBucket(this, "ObjectsBucket", { retain });
    const secrets = new PlatformSecrets(this, "Secrets", { retain });
    const queue = new WorkQueue(this, "WorkQueue", { consumerTimeout: turnTimeout, deadLetterTimeout });
    new DeadLetterAlarm(this, "DeadLetterAlarm", { deadLetters: queue.deadLetters, topicArn: config.alarmTopicArn });

    const outbound = new Outbound(this, "OutboundEvents", { stage: config.stage, retain });

    const { api, sockets, previewApi } = this.createApis(config, logs);
    const network = new Network(this, "Network", { previewPort });
    const task = new SandboxTask(this, "SandboxTask", {
      ...logs,
      network,
      size: config.sandbox,
      toolboxNetwork: config.toolboxNetwork,
      images: config.sandboxImages,
      codeDirectory,
      platformUrl: api.apiEndpoint,
      webSocketUrl: sockets.url,
      previewPort,
    });

    const settings = { ...logs, stage: config.stage, version: props.version, codeDirectory };
    const previewOrigin = this.previewOrigin(config, previewApi);
    const jobs = new JobQueue(this, "JobQueue");
    const stateful = { table, queue, outbound, jobs, bucket, secrets };
    const relay = relayFunction(this, { settings, network });
    const platform = { config, settings, ...stateful, api, sockets, network, relay, task, previewApi, previewOrigin };
    this.run(platform);
    this.output(platform);
  }

  private createApis(config: StageConfig, logs: Logs) {
    const common = { ...logs, throttle: config.throttle };
    const api = new OneFunctionApi(this, "PlatformApi", {
      ...common,
      allowedOrigins: config.allowedOrigins,
      authorizedBy:
        "The http function authenticates in code (one hop less, revocation at once); some routes are public by purpose.",
    });
    const sockets = new FrameApi(this, "FrameApi", { throttle: config.throttle });
    const previewApi = new StreamedApi(this, "PreviewApi", {
      throttle: config.throttle,
      authorizedBy:
        "The front function checks the capability cookie of the preview; a browser has nothing else to send.",
    });
    return { api, sockets, previewApi };
  }

  /** The functions, and what brings each its work. */
  private run(platform: Platform): void {
    const { config, queue, api, sockets, task, previewApi } = platform;
    const { http } = httpFunctions(this, platform);
    const { connect, disconnect, frames, sandbox } = socketFunctions(this, platform);
    const { turn, deadLetters, sweeper, containerEvents } = workerFunctions(this, platform);
    const { worker } = outboundFunctions(this, platform);

    api.deliverTo(http);
    sockets.route("Connect", connect, { keys: ["$connect"], invokableFor: "$connect" });
    sockets.route("Disconnect", disconnect, { keys: ["$disconnect"], invokableFor: "$disconnect" });
    const sandboxRoutes = { keys: sandboxFrameTypes, invokableFor: "sandbox.*", responding: answeredFrameTypes };
    sockets.route("Sandbox", sandbox, sandboxRoutes);
    sockets.route("Frames", frames, { keys: ["$default"], invokableFor: "$default" });
    queue.deliverTo(turn, config.turnConcurrency);
    queue.deliverDeadLettersTo(deadLetters);
    platform.outbound.deliverTo(worker, config.outboundConcurrency);
    platform.jobs.deliverTo(jobsFunction(this, platform));
    keyRotation(this, platform);
    new SweeperSchedule(this, "SweeperSchedule", { sweeper });
    new TaskStateRule(this, "TaskStateRule", { cluster: task.cluster, listener: containerEvents });
    previewApi.deliverTo(previewFront(this, platform));
  }

  private previewOrigin(config: StageConfig, previewApi: StreamedApi): string {
    if (config.preview.kind === "none") return "";
    if (config.preview.kind === "api") return previewApi.apiEndpoint;
    const { domain, certificateArn } = config.preview;
    new PreviewDomain(this, "PreviewDomain", { api: previewApi, domain, certificateArn });
    return `https://${domain}`;
  }

  private output({ api, sockets, previewApi, table, bucket, queue, secrets, outbound }: Platform): void {
    const values = {
      HttpApiUrl: api.apiEndpoint,
      WebSocketUrl: sockets.url,
      PreviewApiUrl: previewApi.apiEndpoint,
      TableName: table.table.tableName,
      BucketName: bucket.bucket.bucketName,
      WorkQueueUrl: queue.queue.queueUrl,
      EventBusName: outbound.bus.eventBusName,
      ModelSecretName: secrets.model.secretName,
    };
    for (const [name, value] of Object.entries(values)) new CfnOutput(this, name, { value });
  }
}
