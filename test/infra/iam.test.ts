import {
  allStatements,
  ofType,
  type PlatformTemplate,
  removeFakeBuilds,
  type Statement,
  statementsOfRole,
  synthesize,
} from "./synthesize.ts";

let template: PlatformTemplate;

beforeAll(() => {
  template = synthesize("prod");
}, 60_000);

afterAll(removeFakeBuilds);

const each = (actions: string[], ...resources: string[]) =>
  actions.flatMap((action) => resources.map((resource) => `${action} on ${resource}`));

const connections = "arn:{AWS::Partition}:execute-api:{AWS::Region}:{AWS::AccountId}:{FrameApi}/v1";
const tenantSecrets =
  "arn:{AWS::Partition}:secretsmanager:{AWS::Region}:{AWS::AccountId}:secret:{AWS::StackName}/git-credentials/*";
const clusterTasks = "arn:{AWS::Partition}:ecs:{AWS::Region}:{AWS::AccountId}:task/{SandboxTaskCluster}/*";
const interfaceActions = [
  "CreateNetworkInterface",
  "DescribeNetworkInterfaces",
  "DescribeSubnets",
  "DeleteNetworkInterface",
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
];
const consume = ["ReceiveMessage", "ChangeMessageVisibility", "GetQueueUrl", "DeleteMessage", "GetQueueAttributes"].map(
  (action) => `sqs:${action}`,
);

/** What a right is, action by action. */
const rights = {
  readTable: [
    ...each(["dynamodb:GetItem", "dynamodb:BatchGetItem"], "{DataTable.Arn}"),
    ...each(
      ["dynamodb:Query"],
      "{DataTable.Arn}",
      ...["gsi1", "gsi2", "gsi3", "gsi4", "gsi5"].map((name) => `{DataTable.Arn}/index/${name}`),
    ),
  ],
  writeTable: each(
    ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"],
    "{DataTable.Arn}",
  ),
  patchTable: each(["dynamodb:PutItem", "dynamodb:UpdateItem"], "{DataTable.Arn}"),
  sendWork: ["sqs:SendMessage on {WorkQueue.Arn}"],
  takeWork: each(consume, "{WorkQueue.Arn}"),
  sendOutbound: ["sqs:SendMessage on {OutboundQueue.Arn}"],
  sendJobs: ["sqs:SendMessage on {JobQueue.Arn}"],
  takeJobs: each(consume, "{JobQueue.Arn}"),
  removeRows: ["dynamodb:BatchWriteItem on {DataTable.Arn}"],
  removeObjects: ["s3:DeleteObject on {ObjectsBucket.Arn}/*", "s3:ListBucket on {ObjectsBucket.Arn}"],
  stopTasks: [`ecs:StopTask on ${clusterTasks}`],
  reapTasks: [...each(["ecs:StopTask", "ecs:DescribeTasks"], clusterTasks), "ecs:ListTasks on *"],
  takeOutbound: each(consume, "{OutboundQueue.Arn}"),
  putEvents: ["events:PutEvents on {EventBus.Arn}"],
  webhookSecret: ["secretsmanager:GetSecretValue on {WebhookSecret}"],
  callCourier: ["lambda:InvokeFunction on {Courier.Arn}"],
  takeDeadLetters: each(consume, "{WorkQueueDeadLetters.Arn}"),
  objects: [...each(["s3:GetObject", "s3:PutObject"], "{ObjectsBucket.Arn}/*"), "s3:ListBucket on {ObjectsBucket.Arn}"],
  copyObjects: each(["s3:GetObject", "s3:PutObject"], "{ObjectsBucket.Arn}/*"),
  connections: each(
    ["execute-api:ManageConnections"],
    `${connections}/POST/@connections/*`,
    `${connections}/DELETE/@connections/*`,
  ),
  userSecret: ["secretsmanager:GetSecretValue on {UserSecret}"],
  sandboxSecret: ["secretsmanager:GetSecretValue on {SandboxSecret}"],
  previewSecret: ["secretsmanager:GetSecretValue on {PreviewSecret}"],
  gitSecret: ["secretsmanager:GetSecretValue on {GitSecret}"],
  rotateSecrets: each(
    ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
    ...["User", "Sandbox", "Preview", "Git"].map((name) => `{${name}Secret}`),
  ),
  useGitCredentials: [`secretsmanager:GetSecretValue on ${tenantSecrets}`],
  keepGitCredentials: each(
    ["secretsmanager:GetSecretValue", "secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"],
    tenantSecrets,
  ),
  modelSecret: ["secretsmanager:GetSecretValue on {ModelSecret}"],
  callNaming: ["lambda:InvokeFunction on {Naming.Arn}"],
  callRelay: ["lambda:InvokeFunction on {PreviewRelay.Arn}"],
  tasks: [
    "ecs:RunTask on {SandboxTaskDefinition}",
    ...each(["ecs:StopTask", "ecs:DescribeTasks"], clusterTasks),
    "iam:PassRole on {SandboxTaskExecutionRole.Arn}",
  ],
  joinNetwork: interfaceActions.map((action) => `ec2:${action} on *`),
} as const;

/** Who may do what. Everybody writes to its own log group besides; nobody scans the table. */
const matrix: Record<string, (keyof typeof rights)[]> = {
  Http: [
    "readTable",
    "writeTable",
    "sendWork",
    "sendOutbound",
    "sendJobs",
    "webhookSecret",
    "objects",
    "connections",
    "userSecret",
    "sandboxSecret",
    "previewSecret",
    "gitSecret",
    "keepGitCredentials",
    "callNaming",
    "callRelay",
  ],
  Connect: ["readTable", "writeTable"],
  Disconnect: ["readTable", "writeTable", "sendWork"],
  Frames: ["readTable", "writeTable", "sendWork", "sendOutbound", "objects", "connections", "callRelay"],
  Sandbox: [
    "readTable",
    "writeTable",
    "sendWork",
    "sendOutbound",
    "objects",
    "connections",
    "sandboxSecret",
    "gitSecret",
    "useGitCredentials",
    "webhookSecret",
  ],
  Turn: [
    "readTable",
    "writeTable",
    "sendWork",
    "sendOutbound",
    "takeWork",
    "objects",
    "connections",
    "sandboxSecret",
    "modelSecret",
    "gitSecret",
    "useGitCredentials",
    "tasks",
  ],
  DeadLetters: ["readTable", "writeTable", "takeDeadLetters", "objects", "connections"],
  Naming: ["modelSecret"],
  Sweeper: ["readTable", "writeTable", "sendWork", "sendOutbound", "sendJobs", "reapTasks"],
  Jobs: [
    "readTable",
    "writeTable",
    "removeRows",
    "copyObjects",
    "removeObjects",
    "takeJobs",
    "sendOutbound",
    "connections",
    "stopTasks",
  ],
  ContainerEvents: ["readTable", "writeTable", "sendWork", "sendOutbound", "objects", "connections"],
  KeyRotation: ["readTable", "writeTable", "rotateSecrets"],
  PreviewFront: ["readTable", "patchTable", "sendWork", "previewSecret", "callRelay"],
  PreviewRelay: ["joinNetwork"],
  Outbound: ["readTable", "writeTable", "sendOutbound", "takeOutbound", "putEvents", "webhookSecret", "callCourier"],
  Courier: [],
};

const allowed = (statements: Statement[]) =>
  statements
    .filter(({ effect }) => effect === "Allow")
    .flatMap(({ actions, resources }) => each(actions, ...resources));

describe("each function may do exactly this", () => {
  test("the table has every function", () => {
    expect(Object.keys(matrix).sort()).toEqual(Object.keys(ofType(template, "AWS::Lambda::Function")).sort());
  });

  test.each(Object.entries(matrix))("%s: %j", (id, names) => {
    const logs = each(["logs:CreateLogStream", "logs:PutLogEvents"], `{${id}Logs.Arn}`);
    const wanted = [...logs, ...names.flatMap((name) => rights[name])];
    expect(allowed(statementsOfRole(template, `${id}Role`)).sort()).toEqual(wanted.sort());
  });

  test("no role has a policy of AWS's own, which nobody here reviews", () => {
    for (const { Properties } of Object.values(ofType(template, "AWS::IAM::Role"))) {
      expect(Properties).not.toHaveProperty("ManagedPolicyArns");
      expect(Properties).not.toHaveProperty("Policies");
    }
  });
});

describe("over all policies", () => {
  test("no action is a pattern, except where everything is denied without TLS", () => {
    const patterns = allStatements(template).filter(({ statement }) =>
      statement.actions.some((action) => action.includes("*")),
    );
    for (const { statement } of patterns) {
      expect(statement).toMatchObject({ effect: "Deny", conditions: { Bool: { "aws:SecureTransport": "false" } } });
    }
  });

  test("no statement grants by exclusion", () => {
    expect(JSON.stringify(template)).not.toMatch(/"Not(Action|Resource|Principal)"/);
  });

  /** Where AWS has no resource to name. */
  const anyResource: Record<string, string> = {
    "ecr:GetAuthorizationToken": "a token is for the whole registry",
    "ecs:ListTasks": "a condition names the cluster",
    ...Object.fromEntries(
      interfaceActions.map((action) => [`ec2:${action}`, "interfaces do not exist yet; the code itself is denied"]),
    ),
  };

  test("no resource is everything, but for actions that know no resource", () => {
    const wide = allStatements(template).filter(
      ({ statement }) => statement.effect === "Allow" && statement.resources.includes("*"),
    );
    expect(wide.flatMap(({ statement }) => statement.actions).filter((action) => !(action in anyResource))).toEqual([]);
    expect(wide.map(({ owner }) => owner).sort()).toEqual([
      "PreviewRelayRole",
      "SandboxTaskExecutionRole",
      "SweeperRole",
    ]);
  });

  test("whoever calls strangers' URLs may write its log, and nothing else", () => {
    const statements = statementsOfRole(template, "CourierRole");
    expect(new Set(statements.flatMap(({ actions }) => actions))).toEqual(
      new Set(["logs:CreateLogStream", "logs:PutLogEvents"]),
    );
  });

  test("the model's key is read by the worker and by naming alone", () => {
    const readers = allStatements(template).filter(({ statement }) => statement.resources.includes("{ModelSecret}"));
    expect(readers.map(({ owner }) => owner).sort()).toEqual(["NamingRole", "TurnRole"]);
  });

  test("nobody scans the table, and nobody deletes secrets", () => {
    const actions = new Set(allStatements(template).flatMap(({ statement }) => statement.actions));
    for (const action of ["dynamodb:Scan", "secretsmanager:DeleteSecret"]) expect(actions).not.toContain(action);
  });

  test("only the jobs, which remove deleted sessions, delete objects or rows in bulk", () => {
    for (const action of ["s3:DeleteObject", "dynamodb:BatchWriteItem"]) {
      const owners = allStatements(template).filter(({ statement }) => statement.actions.includes(action));
      expect(owners.map(({ owner }) => owner)).toEqual(["JobsRole"]);
    }
  });

  test("only Http makes secrets and puts them, and only tenants' git credentials", () => {
    for (const action of ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"]) {
      const putters = allStatements(template).filter(({ statement }) => statement.actions.includes(action));
      const others = putters.filter(({ owner }) => owner !== "KeyRotationRole");
      expect(others.map(({ owner, statement }) => [owner, statement.resources])).toEqual([
        ["HttpRole", [tenantSecrets]],
      ]);
    }
  });

  test("beside these only the rotation puts secrets, and never the model's", () => {
    const putters = allStatements(template).filter(
      ({ owner, statement }) => statement.actions.includes("secretsmanager:PutSecretValue") && owner !== "HttpRole",
    );
    expect(putters.map(({ owner }) => owner)).toEqual(["KeyRotationRole"]);
    expect(putters[0]?.statement.resources.toSorted()).toEqual([
      "{GitSecret}",
      "{PreviewSecret}",
      "{SandboxSecret}",
      "{UserSecret}",
    ]);
  });
});

describe("conditions", () => {
  const conditionOf = (role: string, action: string) =>
    statementsOfRole(template, role).find(({ effect, actions }) => effect === "Allow" && actions.includes(action))
      ?.conditions;

  test("tasks are launched, stopped and described in our cluster only", () => {
    for (const action of ["ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks"]) {
      expect(JSON.stringify(conditionOf("TurnRole", action))).toMatch(
        /"ArnEquals":\{"ecs:cluster":\{"Fn::GetAtt":\["SandboxTaskCluster\w+","Arn"\]\}\}/,
      );
    }
  });

  test("events are put as the platform's own only", () => {
    expect(conditionOf("OutboundRole", "events:PutEvents")).toEqual({
      StringEquals: { "events:source": "ai-sandbox-platform" },
    });
  });

  test("the execution role is passed to ECS only", () => {
    expect(conditionOf("TurnRole", "iam:PassRole")).toEqual({
      StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" },
    });
  });

  test("the relay's own code may not touch interfaces: those rights are the Lambda service's", () => {
    const denies = statementsOfRole(template, "PreviewRelayRole").filter(({ effect }) => effect === "Deny");
    expect(denies).toHaveLength(1);
    expect(denies[0]?.actions.sort()).toEqual(interfaceActions.map((action) => `ec2:${action}`).sort());
    expect(JSON.stringify(denies[0]?.conditions)).toMatch(
      /"lambda:SourceFunctionArn":\{"Fn::GetAtt":\["PreviewRelay\w+","Arn"\]\}/,
    );
  });

  test("the execution role pulls one image and writes one log group", () => {
    const actions = allowed(statementsOfRole(template, "SandboxTaskExecutionRole")).map(
      (line) => line.split(" on ")[0],
    );
    expect(new Set(actions)).toEqual(
      new Set([
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
      ]),
    );
  });

  test("every role is for one service", () => {
    for (const [name, { Properties }] of Object.entries(ofType(template, "AWS::IAM::Role"))) {
      const service = name === "SandboxTaskExecutionRole" ? "ecs-tasks.amazonaws.com" : "lambda.amazonaws.com";
      const { Statement } = Properties["AssumeRolePolicyDocument"] as { Statement: unknown[] };
      expect(Statement).toEqual([{ Action: "sts:AssumeRole", Effect: "Allow", Principal: { Service: service } }]);
    }
  });
});
