import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocument } from "../../../infra/local/template/document.ts";
import { deploy } from "../../../infra/local/template/read-stack.ts";

const directory = mkdtempSync(join(tmpdir(), "read-stack-"));
mkdirSync(join(directory, "asset.1"));
writeFileSync(join(directory, "asset.1/index.mjs"), "export const handler = () => 1;");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Resources = Record<string, { Type: string; Properties?: object; Metadata?: object; Condition?: string }>;

const lambda = (properties: object = {}) => ({
  Type: "AWS::Lambda::Function",
  Metadata: { "aws:asset:path": "asset.1" },
  Properties: { Handler: "index.handler", Role: { "Fn::GetAtt": ["RoleA", "Arn"] }, ...properties },
});
const base: Resources = {
  Worker12345678: lambda({
    Timeout: 900,
    MemorySize: 1024,
    RecursiveLoop: "Allow",
    Environment: { Variables: { QUEUE: { Ref: "Jobs" } } },
  }),
  RoleA: {
    Type: "AWS::IAM::Role",
    Properties: {
      Policies: [{ PolicyDocument: { Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "*" } } }],
      ManagedPolicyArns: [
        {
          "Fn::Join": [
            "",
            ["arn:", { Ref: "AWS::Partition" }, ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
          ],
        },
      ],
    },
  },
  PolicyA: {
    Type: "AWS::IAM::Policy",
    Properties: {
      Roles: [{ Ref: "RoleA" }],
      PolicyDocument: {
        Statement: [
          {
            Effect: "Deny",
            Action: ["sqs:PurgeQueue"],
            Resource: { "Fn::GetAtt": ["Jobs", "Arn"] },
            Condition: { Bool: { "aws:SecureTransport": false } },
          },
        ],
      },
    },
  },
  Jobs: {
    Type: "AWS::SQS::Queue",
    Properties: {
      VisibilityTimeout: 960,
      RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["Dead", "Arn"] }, maxReceiveCount: 3 },
    },
  },
  Dead: { Type: "AWS::SQS::Queue" },
};
const stackOf = (more: Resources = {}, document: object = {}) =>
  deploy("Stack", parseDocument({ ...document, Resources: { ...base, ...more } }), directory);

describe("functions", () => {
  it("are read with what Lambda would run them with", () => {
    expect(stackOf().functions).toEqual([
      {
        id: "Worker12345678",
        label: "Worker",
        name: "Worker12345678",
        arn: "arn:aws:lambda:us-east-1:000000000000:function:Worker12345678",
        file: join(directory, "asset.1/index.mjs"),
        exportName: "handler",
        timeoutSeconds: 900,
        memoryMb: 1024,
        reservedConcurrency: null,
        environment: { QUEUE: "https://sqs.us-east-1.amazonaws.com/000000000000/Jobs" },
        roleId: "RoleA",
        recursiveLoop: "Allow",
        asyncRetries: 2,
      },
    ]);
  });
  it("take Lambda's own defaults", () => {
    const [, plain] = stackOf({ Plain: lambda() }).functions;
    expect(plain).toMatchObject({ timeoutSeconds: 3, memoryMb: 128, recursiveLoop: "Terminate" });
  });
  it("take the retries of their asynchronous invocations", () => {
    const config = {
      Type: "AWS::Lambda::EventInvokeConfig",
      Properties: { FunctionName: { Ref: "Worker12345678" }, MaximumRetryAttempts: 0 },
    };
    expect(stackOf({ config }).functions[0]?.asyncRetries).toBe(0);
  });
  it("of CDK's own are left out", () => {
    expect(stackOf({ Helper: { Type: "AWS::Lambda::Function", Properties: { Handler: "x" } } }).functions.length).toBe(
      1,
    );
  });
});

describe("permissions", () => {
  it("come from the role, its policies and AWS's managed ones", () => {
    const [role] = stackOf().roles;
    expect(role?.statements).toEqual([
      { effect: "Allow", actions: ["s3:GetObject"], notActions: [], resources: ["*"], conditions: {} },
      {
        effect: "Deny",
        actions: ["sqs:PurgeQueue"],
        notActions: [],
        resources: ["arn:aws:sqs:us-east-1:000000000000:Jobs"],
        conditions: { Bool: { "aws:SecureTransport": ["false"] } },
      },
      expect.objectContaining({ effect: "Allow", actions: expect.arrayContaining(["logs:PutLogEvents"]) as string[] }),
    ]);
  });
});

describe("triggers", () => {
  it("reads a queue's mapping", () => {
    const mapping = {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: {
        EventSourceArn: { "Fn::GetAtt": ["Jobs", "Arn"] },
        FunctionName: { Ref: "Worker12345678" },
        BatchSize: 1,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
        ScalingConfig: { MaximumConcurrency: 10 },
      },
    };
    expect(stackOf({ mapping }).eventSources).toEqual([
      {
        id: "mapping",
        queueArn: "arn:aws:sqs:us-east-1:000000000000:Jobs",
        functionId: "Worker12345678",
        batchSize: 1,
        windowSeconds: 0,
        reportsItemFailures: true,
        maximumConcurrency: 10,
      },
    ]);
    expect(
      stackOf({ mapping: { ...mapping, Properties: { ...mapping.Properties, Enabled: false } } }).eventSources,
    ).toEqual([]);
  });
  it("reads rules and EventBridge Scheduler's schedules alike", () => {
    const target = { Arn: { "Fn::GetAtt": ["Worker12345678", "Arn"] }, Id: "T" };
    const rules = stackOf({
      ByPattern: {
        Type: "AWS::Events::Rule",
        Properties: { EventPattern: { source: ["aws.ecs"] }, Targets: [target] },
      },
      ByRate: {
        Type: "AWS::Scheduler::Schedule",
        Properties: { ScheduleExpression: "rate(1 minute)", Target: { ...target, Input: `{"a":1}` } },
      },
      Off: {
        Type: "AWS::Events::Rule",
        Properties: { State: "DISABLED", ScheduleExpression: "rate(1 minute)", Targets: [target] },
      },
    }).rules;
    expect(rules).toEqual([
      {
        id: "ByPattern",
        name: "ByPattern",
        bus: "default",
        schedule: null,
        pattern: { source: ["aws.ecs"] },
        targets: [{ to: { kind: "function", functionId: "Worker12345678" }, input: undefined, retries: 2 }],
      },
      {
        id: "ByRate",
        name: "ByRate",
        bus: "default",
        schedule: "rate(1 minute)",
        pattern: null,
        targets: [{ to: { kind: "function", functionId: "Worker12345678" }, input: { a: 1 }, retries: 2 }],
      },
    ]);
  });
  it("reads the routes of an API", () => {
    const api = (protocol: string) => ({ Type: "AWS::ApiGatewayV2::Api", Properties: { ProtocolType: protocol } });
    const integration = (api_: string, uri: unknown) => ({
      Type: "AWS::ApiGatewayV2::Integration",
      Properties: {
        ApiId: { Ref: api_ },
        IntegrationType: "AWS_PROXY",
        IntegrationUri: uri,
        PayloadFormatVersion: "2.0",
        TimeoutInMillis: 5000,
      },
    });
    const functionArn = { "Fn::GetAtt": ["Worker12345678", "Arn"] };
    const route = (routeKey: string, selection?: string) => ({
      Type: "AWS::ApiGatewayV2::Route",
      Properties: {
        ApiId: { Ref: "Api" },
        RouteKey: routeKey,
        Target: { "Fn::Join": ["", ["integrations/", { Ref: "Integration" }]] },
        ...(selection && { RouteResponseSelectionExpression: selection }),
      },
    });
    const response = (to: string) => ({
      Type: "AWS::ApiGatewayV2::RouteResponse",
      Properties: { ApiId: { Ref: "Api" }, RouteId: { Ref: to }, RouteResponseKey: "$default" },
    });
    const stack = stackOf({
      Api: api("WEBSOCKET"),
      Stage: { Type: "AWS::ApiGatewayV2::Stage", Properties: { ApiId: { Ref: "Api" }, StageName: "v1" } },
      Integration: integration("Api", {
        "Fn::Join": [
          "",
          ["arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/", functionArn, "/invocations"],
        ],
      }),
      Route: route("$connect"),
      Answered: route("a", "$default"),
      Response: response("Answered"),
      // Either alone does nothing.
      Unchosen: route("b"),
      Other: response("Unchosen"),
      Unanswered: route("c", "$default"),
    });
    const to = { functionId: "Worker12345678", timeoutMs: 5000 };
    expect(stack.webSocketApis).toEqual([
      expect.objectContaining({
        apiId: "api",
        stage: "v1",
        routes: [
          { routeKey: "$connect", ...to, responds: false },
          { routeKey: "a", ...to, responds: true },
          { routeKey: "b", ...to, responds: false },
          { routeKey: "c", ...to, responds: false },
        ],
      }),
    ]);
  });
});

it("gives queues their attributes as SQS takes them", () => {
  const [jobs] = stackOf().queues;
  expect(jobs?.attributes).toEqual({
    VisibilityTimeout: "960",
    RedrivePolicy: `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:Dead","maxReceiveCount":3}`,
  });
});

it("leaves out what a condition switches off", () => {
  const document = { Conditions: { Never: { "Fn::Equals": ["a", "b"] } } };
  expect(stackOf({ Extra: { Type: "AWS::SQS::Queue", Condition: "Never" } }, document).queues.length).toBe(2);
});

describe("what one machine does not have is named", () => {
  it.each<[string, Resources, string]>([
    [
      "a resource that a function depends on",
      { Cache: { Type: "AWS::Redis::Cluster" }, Fn: lambda({ Environment: { Variables: { C: { Ref: "Cache" } } } }) },
      "template: Fn (AWS::Lambda::Function): Cache is a AWS::Redis::Cluster",
    ],
    [
      "an intrinsic",
      { Fn: lambda({ Timeout: { "Fn::Length": [] } }) },
      "template: Fn (AWS::Lambda::Function): unknown intrinsic Fn::Length",
    ],
    [
      "a managed policy",
      {
        RoleB: {
          Type: "AWS::IAM::Role",
          Properties: { ManagedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] },
        },
        Fn: lambda({ Role: { "Fn::GetAtt": ["RoleB", "Arn"] } }),
      },
      "AdministratorAccess",
    ],
    ["a missing bundle", { Fn: lambda({ Handler: "other.handler" }) }, "run the bundler first"],
    ["a missing property", { Fn: { ...lambda(), Properties: {} } }, "template: Fn"],
    ["a role that is none", { Fn: lambda({ Role: "arn:aws:iam::1:role/x" }) }, "is no AWS::IAM::Role"],
  ])("%s", (_what, resources, message) => expect(() => stackOf(resources)).toThrow(message));
});
