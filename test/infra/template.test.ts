import { environments, type ProcessName } from "../../shared/config/env.ts";
import { indexAttributes, tableKeys } from "../../shared/data/table.ts";
import { sandboxFrameTypes } from "../../shared/protocol/sandbox-frame.ts";
import {
  environmentOf,
  nameOf,
  ofType,
  type PlatformTemplate,
  removeFakeBuilds,
  spell,
  synthesize,
} from "./synthesize.ts";

let template: PlatformTemplate;

beforeAll(() => {
  template = synthesize("prod");
}, 60_000);

afterAll(removeFakeBuilds);

const types = () => new Set(Object.values(template.Resources).map((resource) => resource.Type));
const functions = () => ofType(template, "AWS::Lambda::Function");
const names = (resources: Record<string, unknown>) => Object.keys(resources).sort();

/** Which process each function runs. */
const processes: Record<string, ProcessName> = {
  Http: "http",
  Connect: "connect",
  Disconnect: "disconnect",
  Frames: "frames",
  Sandbox: "sandbox",
  Turn: "turn",
  DeadLetters: "deadLetters",
  Naming: "naming",
  Sweeper: "sweeper",
  ContainerEvents: "containerEvents",
  Jobs: "jobs",
  KeyRotation: "keyRotation",
  PreviewFront: "previewFront",
  PreviewRelay: "previewRelay",
  Outbound: "outbound",
  Courier: "courier",
};

describe("the stack at rest costs a few dollars a month", () => {
  /** Dollars a month that a resource costs while nobody uses it (us-east-1). All else here bills per use. */
  const fixedCost: Record<string, number> = { "AWS::SecretsManager::Secret": 0.4, "AWS::CloudWatch::Alarm": 0.1 };
  const perUse = [
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::RouteResponse",
    "AWS::ApiGatewayV2::Stage",
    "AWS::DynamoDB::Table",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
  ];

  test("nothing but secrets and alarms has a price of its own, and together they stay under three dollars", () => {
    const unpriced = [...types()].filter((type) => !perUse.includes(type) && !(type in fixedCost));
    const sum = Object.values(template.Resources).reduce((total, { Type }) => total + (fixedCost[Type] ?? 0), 0);
    expect(unpriced).toEqual([]);
    expect(sum).toBeCloseTo(6 * 0.4 + 0.1, 5);
    expect(sum).toBeLessThan(3);
  });

  test("no NAT gateway ($33) and no interface endpoint ($7 a zone)", () => {
    expect(types()).not.toContain("AWS::EC2::NatGateway");
    expect(types()).not.toContain("AWS::EC2::VPCEndpoint");
    expect(types()).not.toContain("AWS::EC2::EIP");
  });

  test("no task that always runs: sandboxes are launched one by one", () => {
    expect(types()).not.toContain("AWS::ECS::Service");
  });

  test("no provisioned concurrency and no provisioned capacity", () => {
    expect(JSON.stringify(template)).not.toMatch(/ProvisionedConcurren|ProvisionedThroughput/);
    expect(ofType(template, "AWS::DynamoDB::Table")["DataTable"]?.Properties["BillingMode"]).toBe("PAY_PER_REQUEST");
  });
});

describe("functions", () => {
  test("are one per trust boundary", () => {
    expect(names(functions())).toEqual(Object.keys(processes).sort());
  });

  test("are all ARM64 on one runtime", () => {
    for (const { Properties } of Object.values(functions())) {
      expect(Properties).toMatchObject({ Architectures: ["arm64"], Runtime: "nodejs24.x", Handler: "index.handler" });
    }
  });

  test.each(Object.entries(processes))("%s has exactly the environment that its process reads", (id, process) => {
    expect(Object.keys(environmentOf(template, id)).sort()).toEqual(Object.keys(environments[process].shape).sort());
  });

  test("get addresses that AWS will give to the APIs", () => {
    const variables = environmentOf(template, "Http");
    expect(spell(variables["CONNECTIONS_URL"])).toBe(
      "https://{FrameApi}.execute-api.{AWS::Region}.{AWS::URLSuffix}/v1",
    );
    expect(spell(variables["WEBSOCKET_URL"])).toBe("wss://{FrameApi}.execute-api.{AWS::Region}.{AWS::URLSuffix}/v1");
    expect(spell(variables["TOKEN_ISSUER"])).toBe("{PlatformApi.ApiEndpoint}");
  });

  test("only the worker may follow itself through the queue: its turns are such chains, all others would be loops", () => {
    const allowed = Object.entries(functions()).filter(([, { Properties }]) => Properties["RecursiveLoop"] === "Allow");
    expect(allowed.map(([id]) => id)).toEqual(["Turn"]);
  });

  test("each writes to a log group of its own", () => {
    const groups = Object.values(functions()).map(({ Properties }) =>
      spell((Properties["LoggingConfig"] as { LogGroup: unknown }).LogGroup),
    );
    expect(new Set(groups).size).toBe(Object.keys(processes).length);
  });

  test("each has a role of its own", () => {
    const roles = Object.entries(functions()).map(([id, { Properties }]) => [id, spell(Properties["Role"])]);
    expect(roles).toEqual(roles.map(([id]) => [id, `{${id}Role.Arn}`]));
  });

  test("no log group keeps its lines for ever", () => {
    for (const { Properties } of Object.values(ofType(template, "AWS::Logs::LogGroup"))) {
      expect(Properties["RetentionInDays"]).toBe(90);
    }
  });
});

describe("queues", () => {
  const queues = () => ofType(template, "AWS::SQS::Queue");
  const timeoutOf = (id: string) => functions()[id]?.Properties["Timeout"] as number;

  test("what fails six times goes to the dead letters", () => {
    const policy = queues()["WorkQueue"]?.Properties["RedrivePolicy"] as {
      deadLetterTargetArn: unknown;
      maxReceiveCount: number;
    };
    expect(policy.maxReceiveCount).toBe(6);
    expect(spell(policy.deadLetterTargetArn)).toBe("{WorkQueueDeadLetters.Arn}");
  });

  test("the work queue is a standard one: a failed message of a FIFO group would freeze its session", () => {
    expect(queues()["WorkQueue"]?.Properties).not.toHaveProperty("FifoQueue");
  });

  test("a message stays hidden for six times as long as its consumer may run", () => {
    expect(queues()["WorkQueue"]?.Properties["VisibilityTimeout"]).toBeGreaterThanOrEqual(6 * timeoutOf("Turn"));
    expect(queues()["WorkQueueDeadLetters"]?.Properties["VisibilityTimeout"]).toBeGreaterThanOrEqual(
      6 * timeoutOf("DeadLetters"),
    );
    expect(queues()["OutboundQueue"]?.Properties["VisibilityTimeout"]).toBeGreaterThanOrEqual(
      6 * timeoutOf("Outbound"),
    );
    expect(queues()["JobQueue"]?.Properties["VisibilityTimeout"]).toBeGreaterThanOrEqual(6 * timeoutOf("Jobs"));
  });

  test("consumers name the messages that failed, so the others are not run again", () => {
    const mappings = Object.values(ofType(template, "AWS::Lambda::EventSourceMapping")).map(
      ({ Properties }) => Properties,
    );
    expect(mappings).toHaveLength(4);
    for (const mapping of mappings) expect(mapping["FunctionResponseTypes"]).toEqual(["ReportBatchItemFailures"]);
    const worker = mappings.find((mapping) => spell(mapping["FunctionName"]) === "{Turn}");
    expect(worker).toMatchObject({ BatchSize: 1, ScalingConfig: { MaximumConcurrency: 200 } });
    const outbound = mappings.find((mapping) => spell(mapping["FunctionName"]) === "{Outbound}");
    expect(outbound).toMatchObject({ BatchSize: 1, ScalingConfig: { MaximumConcurrency: 200 } });
  });

  test("a dead letter raises the alarm", () => {
    const [alarm] = Object.values(ofType(template, "AWS::CloudWatch::Alarm"));
    expect(alarm?.Properties["Threshold"]).toBe(1);
    expect(JSON.stringify(alarm?.Properties["Dimensions"])).toContain("WorkQueueDeadLetters");
  });
});

describe("routes", () => {
  const routesTo = () => {
    const integrations = ofType(template, "AWS::ApiGatewayV2::Integration");
    const routes = Object.values(ofType(template, "AWS::ApiGatewayV2::Route")).filter(
      ({ Properties }) => spell(Properties["ApiId"]) === "{FrameApi}",
    );
    const target = (text: string) =>
      spell(integrations[/\{(\w+)\}/.exec(text)?.[1] ?? ""]?.Properties["IntegrationUri"]);
    return routes.map(
      ({ Properties }) =>
        [Properties["RouteKey"] as string, /\{(\w+)\.Arn\}/.exec(target(spell(Properties["Target"])))?.[1]] as const,
    );
  };

  test("frames of sandboxes go to the sandbox function, and nothing else does", () => {
    const toSandbox = routesTo()
      .filter(([, fn]) => fn === "Sandbox")
      .map(([key]) => key);
    expect(toSandbox.sort()).toEqual([...sandboxFrameTypes].sort());
  });

  test("people's frames go to the frames function", () => {
    const others = routesTo().filter(([, fn]) => fn !== "Sandbox");
    expect(Object.fromEntries(others)).toEqual({ $connect: "Connect", $disconnect: "Disconnect", $default: "Frames" });
  });

  test("the API may call each function for its own routes only", () => {
    const permissions = Object.values(ofType(template, "AWS::Lambda::Permission"))
      .map(({ Properties }) => [spell(Properties["FunctionName"]), spell(Properties["SourceArn"])] as const)
      .filter(([, source]) => source.includes("{FrameApi}"))
      .map(([fn, source]) => [fn.slice(1, -".Arn}".length), source.split("{FrameApi}/")[1]]);
    expect(Object.fromEntries(permissions)).toEqual({
      Connect: "v1/$connect",
      Disconnect: "v1/$disconnect",
      Sandbox: "v1/sandbox.*",
      Frames: "v1/$default",
    });
  });

  test("frames are selected by their type, and every stage is throttled", () => {
    expect(ofType(template, "AWS::ApiGatewayV2::Api")["FrameApi"]?.Properties["RouteSelectionExpression"]).toBe(
      "$request.body.type",
    );
    const stages = Object.values(ofType(template, "AWS::ApiGatewayV2::Stage"));
    expect(stages).toHaveLength(2);
    const [previews] = Object.values(ofType(template, "AWS::ApiGateway::Stage"));
    expect(previews?.Properties["MethodSettings"]).toMatchObject([
      { HttpMethod: "*", ResourcePath: "/*", ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 2000 },
    ]);
    for (const { Properties } of stages) {
      expect(Properties["DefaultRouteSettings"]).toMatchObject({
        ThrottlingRateLimit: 1000,
        ThrottlingBurstLimit: 2000,
      });
    }
  });

  test("previews: every path and method is streamed by one function", () => {
    const methods = Object.values(ofType(template, "AWS::ApiGateway::Method"));
    expect(methods).toHaveLength(2);
    for (const { Properties } of methods) {
      expect(Properties).toMatchObject({ HttpMethod: "ANY", Integration: { ResponseTransferMode: "STREAM" } });
      const { Uri } = Properties["Integration"] as { Uri: unknown };
      expect(spell(Uri)).toContain("2021-11-15/functions/{PreviewFront.Arn}/response-streaming-invocations");
    }
  });

  test("access logs of the HTTP API hold neither query nor header", () => {
    const formats = Object.values(ofType(template, "AWS::ApiGatewayV2::Stage")).flatMap(({ Properties }) => {
      const settings = Properties["AccessLogSettings"] as { Format: string } | undefined;
      return settings ? [settings.Format] : [];
    });
    expect(formats).toHaveLength(1);
    for (const format of formats) expect(format).not.toMatch(/query|header|authorizer/i);
  });
});

describe("data", () => {
  test("the table is what the entities name, recoverable, and cleans up after itself", () => {
    const table = ofType(template, "AWS::DynamoDB::Table")["DataTable"];
    const schema = (keys: { partitionKey: string; sortKey: string }) => [
      { AttributeName: keys.partitionKey, KeyType: "HASH" },
      { AttributeName: keys.sortKey, KeyType: "RANGE" },
    ];
    expect(table?.Properties).toMatchObject({
      KeySchema: schema(tableKeys),
      TimeToLiveSpecification: { AttributeName: tableKeys.timeToLive, Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
    type Index = { IndexName: string; KeySchema: unknown; Projection: unknown };
    const indexes = table?.Properties["GlobalSecondaryIndexes"] as Index[];
    expect(Object.fromEntries(indexes.map((index) => [index.IndexName, index.KeySchema]))).toEqual(
      Object.fromEntries(Object.entries(tableKeys.indexes).map(([name, keys]) => [name, schema(keys)])),
    );
    const projections = Object.fromEntries(indexes.map(({ IndexName, Projection }) => [IndexName, Projection]));
    const gsi5 = { ProjectionType: "INCLUDE", NonKeyAttributes: indexAttributes["gsi5"] };
    const all = { ProjectionType: "ALL" };
    expect(projections).toEqual({ gsi1: all, gsi2: all, gsi3: all, gsi4: all, gsi5 });
  });

  test("the bucket is private, encrypted, and forgets what was abandoned", () => {
    const bucket = ofType(template, "AWS::S3::Bucket")["ObjectsBucket"];
    expect(bucket?.Properties["PublicAccessBlockConfiguration"]).toEqual({
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    expect(bucket?.Properties).toHaveProperty("BucketEncryption");
    expect(JSON.stringify(bucket?.Properties["LifecycleConfiguration"])).toContain("AbortIncompleteMultipartUpload");
  });

  test("nobody speaks to bucket or queues without TLS", () => {
    const denies = [
      ...Object.values(ofType(template, "AWS::S3::BucketPolicy")),
      ...Object.values(ofType(template, "AWS::SQS::QueuePolicy")),
    ];
    expect(denies).toHaveLength(7);
    for (const { Properties } of denies) {
      const [statement] = (Properties["PolicyDocument"] as { Statement: unknown[] }).Statement;
      expect(statement).toMatchObject({
        Effect: "Deny",
        Condition: { Bool: { "aws:SecureTransport": "false" } },
        Principal: { AWS: "*" },
      });
    }
  });
});

test("no value of a secret is in the template: neither in an environment nor as a reference that CloudFormation resolves", () => {
  expect(JSON.stringify(template)).not.toContain("{{resolve:");
  for (const id of Object.keys(functions())) {
    const suspicious = Object.keys(environmentOf(template, id)).filter(
      (name) => /SECRET|PASSWORD|API_KEY/.test(name) && !name.endsWith("_SECRET_ID"),
    );
    expect([id, suspicious]).toEqual([id, []]);
  }
  for (const { Properties } of Object.values(ofType(template, "AWS::SecretsManager::Secret"))) {
    expect(Properties).not.toHaveProperty("SecretString");
    expect(Properties).toHaveProperty("GenerateSecretString");
  }
});

test("the sweeper runs each minute, the keys are renewed each month", () => {
  const schedules = Object.values(ofType(template, "AWS::Events::Rule")).filter(
    ({ Properties }) => Properties["ScheduleExpression"] !== undefined,
  );
  const targetOf = (targets: unknown) => spell((targets as { Arn: unknown }[])[0]?.Arn);
  const rates = schedules.map(({ Properties }) => [targetOf(Properties["Targets"]), Properties["ScheduleExpression"]]);
  expect(Object.fromEntries(rates)).toEqual({
    "{Sweeper.Arn}": "rate(1 minute)",
    "{KeyRotation.Arn}": "rate(30 days)",
  });
});

describe("what goes outward", () => {
  test("has a bus by a name that an account's own rules can be written for, and no rule of ours", () => {
    expect(ofType(template, "AWS::Events::EventBus")["EventBus"]?.Properties["Name"]).toBe("ai-sandbox-platform-prod");
    const rules = Object.values(ofType(template, "AWS::Events::Rule"));
    expect(rules.filter(({ Properties }) => Properties["EventBusName"] !== undefined)).toEqual([]);
  });

  test("goes by a standard queue with dead letters", () => {
    const queue = ofType(template, "AWS::SQS::Queue")["OutboundQueue"]?.Properties;
    expect(queue).not.toHaveProperty("FifoQueue");
    const policy = queue?.["RedrivePolicy"] as { deadLetterTargetArn: unknown };
    expect(spell(policy.deadLetterTargetArn)).toBe("{OutboundDeadLetters.Arn}");
  });

  test("waits for a stranger longer than the courier lets it, and shorter than a lease", () => {
    const timeoutOf = (id: string) => functions()[id]?.Properties["Timeout"] as number;
    expect(timeoutOf("Courier")).toBeGreaterThan(10);
    expect(timeoutOf("Courier")).toBeLessThan(30);
    expect(timeoutOf("Outbound")).toBeGreaterThan(timeoutOf("Courier"));
  });

  test("reaches private hosts on one machine only", () => {
    expect(environmentOf(template, "Courier")["PRIVATE_WEBHOOKS"]).toBe("false");
    expect(environmentOf(template, "Http")["PRIVATE_WEBHOOKS"]).toBe("false");
  });
});

test("the addresses are put out", () => {
  const wanted = [
    "BucketName",
    "EventBusName",
    "HttpApiUrl",
    "ModelSecretName",
    "PreviewApiUrl",
    "TableName",
    "WebSocketUrl",
    "WorkQueueUrl",
  ];
  expect(Object.keys(template.Outputs).map(nameOf).sort()).toEqual(wanted);
});
