import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Duration, type RemovalPolicy, Validations } from "aws-cdk-lib";
import type { ISecurityGroup, IVpc } from "aws-cdk-lib/aws-ec2";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  type RecursiveLoop,
  Runtime,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { EnvironmentNames, ProcessName } from "../../shared/config/env.ts";
import { acknowledgeWildcards } from "./wildcard.ts";

/** What every function of the stage has in common. */
export interface FunctionSettings {
  readonly stage: string;
  readonly version: string;
  /** Where `npm run build` wrote `functions/<construct id>/index.mjs`. */
  readonly codeDirectory: string;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
}

/** Something a function works with: the variables that name it and the permissions to use it, never one without the other. */
export interface Use<Name extends string> {
  readonly variables: readonly (readonly [name: Name, value: string])[];
  readonly statements: readonly PolicyStatement[];
  /** Why a resource of the statements is a pattern, where one is. */
  readonly wildcardReason?: string;
}

type OwnNames = "STAGE" | "VERSION";

export interface NodeFunctionProps<P extends ProcessName, Used extends string> {
  readonly process: P;
  readonly settings: FunctionSettings;
  readonly timeout: Duration;
  readonly memoryMiB: number;
  readonly uses: readonly Use<Used>[];
  /** Every variable of the process that no `uses` brings. */
  readonly environment: Readonly<Record<Exclude<EnvironmentNames<P>, Used | OwnNames>, string>>;
  /** @default - Lambda ends a chain of Lambda and SQS after 16 hops */
  readonly recursiveLoop?: RecursiveLoop;
  /** @default - outside every network of ours */
  readonly network?: { readonly vpc: IVpc; readonly securityGroup: ISecurityGroup };
}

/** Our only Function construct: one runtime, one architecture, own role, own log group, complete environment. */
export class NodeFunction<P extends ProcessName, Used extends EnvironmentNames<P> = never> extends LambdaFunction {
  readonly executionRole: Role;

  constructor(scope: Construct, id: string, props: NodeFunctionProps<P, Used>) {
    const { settings, network } = props;
    const logGroup = new LogGroup(scope, `${id}Logs`, {
      retention: settings.logRetention,
      removalPolicy: settings.removalPolicy,
    });
    const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    role.addToPolicy(
      new PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logGroup.logGroupArn],
      }),
    );

    super(scope, id, {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: "index.handler",
      code: Code.fromAsset(bundleOf(settings.codeDirectory, id)),
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      timeout: props.timeout,
      memorySize: props.memoryMiB,
      environment: {
        STAGE: settings.stage,
        VERSION: settings.version,
        ...props.environment,
        ...Object.fromEntries(props.uses.flatMap((use) => use.variables)),
      },
      recursiveLoop: props.recursiveLoop,
      vpc: network?.vpc,
      securityGroups: network && [network.securityGroup],
      // Reaches only what the security group names, hence needs no way to the internet.
      allowPublicSubnet: network && true,
    });
    this.executionRole = role;
    for (const { statements, wildcardReason } of props.uses) {
      for (const statement of statements) this.addToRolePolicy(statement);
      if (wildcardReason !== undefined) acknowledgeWildcards(role, statements, wildcardReason);
    }
    Validations.of(this).acknowledge(
      {
        id: "Serverless-LambdaDLQ",
        reason:
          "Callers wait for it, or a queue with its own dead letters brings it work, or the sweeper makes up for an event lost.",
      },
      {
        id: "Serverless-LambdaTracing",
        reason:
          "X-Ray bills every trace and its SDK would add 120 KB to each bundle; log lines carry request, session and turn ids.",
      },
    );
  }

  /** The right to call this function, and its name under `variable`. */
  forInvoking<Name extends string>(variable: Name): Use<Name> {
    return {
      variables: [[variable, this.functionName]],
      statements: [new PolicyStatement({ actions: ["lambda:InvokeFunction"], resources: [this.functionArn] })],
    };
  }
}

function bundleOf(codeDirectory: string, id: string): string {
  const directory = join(codeDirectory, "functions", id);
  if (existsSync(join(directory, "index.mjs"))) return directory;
  throw new Error(`${join(directory, "index.mjs")} is missing: run "npm run build" first`);
}
