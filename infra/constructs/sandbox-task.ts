import { existsSync } from "node:fs";
import { join } from "node:path";
import { type RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import { DockerImageAsset, Platform } from "aws-cdk-lib/aws-ecr-assets";
import { CfnTaskDefinition, Cluster, ContainerInsights } from "aws-cdk-lib/aws-ecs";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { EnvironmentNames } from "../../shared/config/env.ts";
import type { SandboxSize, ToolboxNetwork } from "../../shared/config/sandbox.ts";
import type { SandboxImage } from "../stage-config.ts";
import type { Network } from "./network.ts";
import type { Use } from "./node-function.ts";

export interface SandboxTaskProps {
  readonly network: Network;
  readonly size: SandboxSize;
  readonly toolboxNetwork: ToolboxNetwork;
  /** Beside the one of the Dockerfile's own base. A task definition costs nothing. */
  readonly images: readonly SandboxImage[];
  /** Where `npm run build` wrote `sandbox/Dockerfile` and the programs. */
  readonly codeDirectory: string;
  readonly platformUrl: string;
  readonly webSocketUrl: string;
  readonly previewPort: number;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
}

type TaskNames = "CLUSTER" | "TASK_DEFINITION" | "IMAGE_DEFINITIONS" | "SUBNETS" | "SECURITY_GROUP";
/** What each launch adds to the supervisor's environment. */
type LaunchNames = "TENANT_ID" | "SESSION_ID" | "EPOCH" | "BOOT_SECRET";

const workspace = { sourceVolume: "workspace", containerPath: "/workspace" };
const sockets = { sourceVolume: "sockets", containerPath: "/run/sandbox" };
/** As long as Fargate allows: a last checkpoint must fit in. */
const stopTimeout = 120;

/**
 * One sandbox: two containers of one image that share only the workspace and a directory of sockets. There is no task
 * role, hence no credentials to steal, and no service, hence nothing that runs while nobody works.
 */
export class SandboxTask extends Construct {
  readonly cluster: Cluster;
  private readonly definition: CfnTaskDefinition;
  /** By the name of the image. */
  private readonly others: readonly (readonly [string, CfnTaskDefinition])[];
  private readonly executionRole: Role;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: SandboxTaskProps,
  ) {
    super(scope, id);
    this.cluster = new Cluster(this, "Cluster", {
      vpc: props.network.vpc,
      containerInsightsV2: ContainerInsights.DISABLED,
    });
    Validations.of(this.cluster).acknowledge({
      id: "AwsSolutions-ECS4",
      reason:
        "Container Insights bills metrics per task; the platform has its own heartbeat and the task's state-change events.",
    });
    const image = this.image("Image");
    const logGroup = new LogGroup(this, "Logs", { retention: props.logRetention, removalPolicy: props.removalPolicy });
    this.executionRole = new Role(this, "ExecutionRole", {
      assumedBy: new ServicePrincipal("ecs-tasks.amazonaws.com"),
    });
    image.repository.grantPull(this.executionRole);
    this.executionRole.addToPolicy(
      new PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logGroup.logGroupArn],
      }),
    );
    Validations.of(this.executionRole).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "ecr:GetAuthorizationToken has no resource to name; ECS, not the task, holds this role.",
    });
    this.definition = this.define("Definition", "", image, logGroup);
    this.others = props.images.map(({ name, base }) => {
      const other = this.image(`Image-${name}`, base);
      other.repository.grantPull(this.executionRole);
      return [name, this.define(`Definition-${name}`, `-${name}`, other, logGroup)] as const;
    });
  }

  private image(id: string, base?: string): DockerImageAsset {
    return new DockerImageAsset(this, id, {
      directory: imageDirectory(this.props.codeDirectory),
      platform: Platform.LINUX_ARM64,
      ...(base === undefined ? {} : { buildArgs: { BASE: base } }),
    });
  }

  private define(id: string, suffix: string, image: DockerImageAsset, logGroup: LogGroup): CfnTaskDefinition {
    const { size } = this.props;
    const definition = new CfnTaskDefinition(this, id, {
      family: `${Stack.of(this).stackName}-sandbox${suffix}`,
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      runtimePlatform: { cpuArchitecture: "ARM64", operatingSystemFamily: "LINUX" },
      cpu: String(size.cpu),
      memory: String(size.memoryMiB),
      executionRoleArn: this.executionRole.roleArn,
      volumes: [{ name: workspace.sourceVolume }, { name: sockets.sourceVolume }],
      containerDefinitions: [this.supervisor(image.imageUri, logGroup), this.toolbox(image.imageUri, logGroup)],
    });
    // Without its statements the first launch would fail to pull.
    definition.node.addDependency(this.executionRole);
    Validations.of(definition).acknowledge({
      id: "AwsSolutions-ECS2",
      reason: "Addresses, paths and a port; the one secret, redeemable once, comes with each launch.",
    });
    return definition;
  }

  /** Launching, stopping and describing tasks of this definition in this cluster, and nothing else in ECS. */
  forLaunching(): Use<TaskNames> {
    const { clusterArn, clusterName } = this.cluster;
    const tasks = Stack.of(this).formatArn({ service: "ecs", resource: "task", resourceName: `${clusterName}/*` });
    const inCluster = { ArnEquals: { "ecs:cluster": clusterArn } };
    return {
      variables: [
        ["CLUSTER", clusterArn],
        ["TASK_DEFINITION", this.definition.ref],
        ["IMAGE_DEFINITIONS", JSON.stringify(Object.fromEntries(this.others.map(([name, { ref }]) => [name, ref])))],
        ["SUBNETS", this.props.network.vpc.publicSubnets.map((subnet) => subnet.subnetId).join(",")],
        ["SECURITY_GROUP", this.props.network.sandboxes.securityGroupId],
      ],
      statements: [
        new PolicyStatement({
          actions: ["ecs:RunTask"],
          resources: [this.definition, ...this.others.map(([, other]) => other)].map(({ ref }) => ref),
          conditions: inCluster,
        }),
        new PolicyStatement({
          actions: ["ecs:StopTask", "ecs:DescribeTasks"],
          resources: [tasks],
          conditions: inCluster,
        }),
        new PolicyStatement({
          actions: ["iam:PassRole"],
          resources: [this.executionRole.roleArn],
          conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
        }),
      ],
      wildcardReason: "Any task of the one cluster: their ids come and go with the sandboxes.",
    };
  }

  /** Stopping tasks of this cluster, and nothing else. */
  forStopping(): Use<"CLUSTER"> {
    const { clusterArn, clusterName } = this.cluster;
    const tasks = Stack.of(this).formatArn({ service: "ecs", resource: "task", resourceName: `${clusterName}/*` });
    return {
      variables: [["CLUSTER", clusterArn]],
      statements: [
        new PolicyStatement({
          actions: ["ecs:StopTask"],
          resources: [tasks],
          conditions: { ArnEquals: { "ecs:cluster": clusterArn } },
        }),
      ],
      wildcardReason: "Any task of the one cluster: their ids come and go with the sandboxes.",
    };
  }

  /** Seeing what runs in this cluster, and stopping what nobody names. */
  forReaping(): Use<"CLUSTER"> {
    const { clusterArn, clusterName } = this.cluster;
    const tasks = Stack.of(this).formatArn({ service: "ecs", resource: "task", resourceName: `${clusterName}/*` });
    const conditions = { ArnEquals: { "ecs:cluster": clusterArn } };
    return {
      variables: [["CLUSTER", clusterArn]],
      statements: [
        new PolicyStatement({ actions: ["ecs:StopTask", "ecs:DescribeTasks"], resources: [tasks], conditions }),
        // It knows no task as its resource, but the cluster as a condition.
        new PolicyStatement({ actions: ["ecs:ListTasks"], resources: ["*"], conditions }),
      ],
      wildcardReason: "Any task of the one cluster: their ids come and go with the sandboxes.",
    };
  }

  private supervisor(image: string, logGroup: LogGroup): CfnTaskDefinition.ContainerDefinitionProperty {
    const { previewPort, platformUrl, webSocketUrl } = this.props;
    return {
      ...common(image, logGroup, "supervisor"),
      essential: true,
      user: "1001",
      portMappings: [{ containerPort: previewPort, protocol: "tcp" }],
      mountPoints: [workspace, sockets],
      environment: pairs<Exclude<EnvironmentNames<"supervisor">, LaunchNames>>({
        PLATFORM_URL: platformUrl,
        WEBSOCKET_URL: webSocketUrl,
        WORKSPACE_DIR: workspace.containerPath,
        STATE_DIR: "/var/lib/sandbox",
        SOCKET_DIR: sockets.containerPath,
        PREVIEW_PORT: String(previewPort),
        TOOLBOX_NETWORK: this.props.toolboxNetwork,
      }),
    };
  }

  private toolbox(image: string, logGroup: LogGroup): CfnTaskDefinition.ContainerDefinitionProperty {
    return {
      ...common(image, logGroup, "toolbox"),
      essential: false,
      user: "1000",
      memory: this.props.size.toolboxMemoryMiB,
      restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
      // One machine keeps it. Fargate knows no such label, which is why TOOLBOX_NETWORK says what holds.
      dockerLabels: { "sandbox.network": "isolated" },
      mountPoints: [workspace, sockets],
      environment: pairs<EnvironmentNames<"toolbox">>({
        WORKSPACE_DIR: workspace.containerPath,
        SOCKET_DIR: sockets.containerPath,
        TOOLBOX_NETWORK: this.props.toolboxNetwork,
        MEMORY_MIB: String(this.props.size.toolboxMemoryMiB),
      }),
    };
  }
}

function common(image: string, logGroup: LogGroup, name: "supervisor" | "toolbox") {
  return {
    name,
    image,
    // V8 would keep up to 48 MB for new objects, of which an idle program gives nothing back.
    command: ["node", "--max-semi-space-size=1", `/app/${name}.mjs`],
    stopTimeout,
    // An init reaps what people's programs leave behind.
    linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
    logConfiguration: {
      logDriver: "awslogs",
      options: {
        "awslogs-group": logGroup.logGroupName,
        "awslogs-region": Stack.of(logGroup).region,
        "awslogs-stream-prefix": name,
        // An outage of the log service must not stall a sandbox.
        mode: "non-blocking",
      },
    },
  };
}

function pairs<Name extends string>(values: Record<Name, string>): CfnTaskDefinition.KeyValuePairProperty[] {
  return Object.entries<string>(values).map(([name, value]) => ({ name, value }));
}

function imageDirectory(codeDirectory: string): string {
  const directory = join(codeDirectory, "sandbox");
  if (existsSync(join(directory, "Dockerfile"))) return directory;
  throw new Error(`${join(directory, "Dockerfile")} is missing: run "npm run build" first`);
}
