import { App, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { NodeFunction, type Use } from "../../infra/constructs/node-function.ts";
import { fakeBuild, removeFakeBuilds } from "./synthesize.ts";

afterAll(removeFakeBuilds);

/** `tsc` checks these: an expected error that does not come is an error itself. */
test("a function whose environment lacks a variable, or has one too many, does not compile", () => {
  const stack = new Stack(new App({ autoSynth: false }), "Stack");
  const settings = {
    stage: "dev",
    version: "1",
    codeDirectory: fakeBuild(["One", "Two", "Three", "Four"]),
    logRetention: RetentionDays.ONE_DAY,
    removalPolicy: RemovalPolicy.DESTROY,
  };
  const common = { process: "sweeper", settings, timeout: Duration.seconds(1), memoryMiB: 128 } as const;
  const table: Use<"TABLE_NAME" | "TABLE_URL"> = {
    variables: [
      ["TABLE_NAME", "t"],
      ["TABLE_URL", "https://dynamodb.eu-west-1.amazonaws.com"],
    ],
    statements: [],
  };
  const bucket: Use<"BUCKET_NAME"> = { variables: [["BUCKET_NAME", "b"]], statements: [] };

  const environment = {
    WORK_QUEUE_URL: "q",
    OUTBOUND_QUEUE_URL: "o",
    JOB_QUEUE_URL: "j",
    CLUSTER: "c",
    WARM_SANDBOXES: "0",
  };
  new NodeFunction(stack, "One", { ...common, uses: [table], environment });
  // @ts-expect-error WORK_QUEUE_URL is missing
  new NodeFunction(stack, "Two", { ...common, uses: [table], environment: {} });
  // @ts-expect-error both are missing
  new NodeFunction(stack, "Three", { ...common, uses: [], environment: {} });
  // @ts-expect-error the sweeper reads no BUCKET_NAME
  new NodeFunction(stack, "Four", { ...common, uses: [table, bucket], environment });

  expect(stack.node.findAll().filter((node) => node instanceof NodeFunction)).toHaveLength(4);
});
