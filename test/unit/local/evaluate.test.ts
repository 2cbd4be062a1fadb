import fc from "fast-check";
import { evaluate, matches } from "../../../infra/local/iam/evaluate.ts";
import type { Statement } from "../../../infra/local/template/deployed-stack.ts";

const statement = (given: Partial<Statement>): Statement => ({
  effect: "Allow",
  actions: ["dynamodb:GetItem"],
  notActions: [],
  resources: ["arn:aws:dynamodb:us-east-1:000000000000:table/T"],
  conditions: {},
  ...given,
});
const table = "arn:aws:dynamodb:us-east-1:000000000000:table/T";
const decide = (statements: Statement[], action: string, resource: string, context = {}) =>
  evaluate(statements, { action, resource, context }).kind;

describe("statements", () => {
  it("denies without statements", () => expect(decide([], "dynamodb:GetItem", table)).toBe("denied"));
  it("allows what a statement names", () => expect(decide([statement({})], "dynamodb:GetItem", table)).toBe("allowed"));
  it("ignores the case of actions", () => expect(decide([statement({})], "DynamoDB:getitem", table)).toBe("allowed"));
  it("denies another action", () => expect(decide([statement({})], "dynamodb:PutItem", table)).toBe("denied"));
  it("denies another resource", () => expect(decide([statement({})], "dynamodb:GetItem", `${table}2`)).toBe("denied"));
  it("takes wildcards", () => {
    const wide = statement({ actions: ["dynamodb:*"], resources: [`${table}/index/*`] });
    expect(decide([wide], "dynamodb:Query", `${table}/index/byInbox`)).toBe("allowed");
    expect(decide([wide], "dynamodb:Query", table)).toBe("denied");
  });
  it("lets an explicit deny win in any order", () => {
    const deny = statement({ effect: "Deny", actions: ["*"], resources: ["*"] });
    expect(decide([statement({}), deny], "dynamodb:GetItem", table)).toBe("denied");
    expect(decide([deny, statement({})], "dynamodb:GetItem", table)).toBe("denied");
  });
  it("reads NotAction as all others", () => {
    const all = statement({ actions: [], notActions: ["iam:*"], resources: ["*"] });
    expect(decide([all], "s3:GetObject", "arn:aws:s3:::b/k")).toBe("allowed");
    expect(decide([all], "iam:PassRole", "*")).toBe("denied");
  });
});

describe("conditions", () => {
  const cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/C";
  const when = (conditions: Statement["conditions"]) => [statement({ conditions })];
  const ask = (conditions: Statement["conditions"], context: Record<string, string | string[]>) =>
    decide(when(conditions), "dynamodb:GetItem", table, context);

  it.each<[Statement["conditions"], Record<string, string | string[]>, string]>([
    [{ ArnEquals: { "ecs:cluster": [cluster] } }, { "ecs:cluster": cluster }, "allowed"],
    [{ ArnEquals: { "ecs:cluster": [cluster] } }, { "ecs:cluster": `${cluster}2` }, "denied"],
    [{ ArnEquals: { "ecs:cluster": [cluster] } }, {}, "denied"],
    [{ ArnLike: { "aws:SourceArn": ["arn:aws:ecs:*:*:cluster/*"] } }, { "aws:SourceArn": cluster }, "allowed"],
    [
      { StringEquals: { "iam:PassedToService": ["a", "ecs-tasks.amazonaws.com"] } },
      { "iam:passedtoservice": "ecs-tasks.amazonaws.com" },
      "allowed",
    ],
    [{ StringNotEquals: { k: ["a", "b"] } }, { k: "b" }, "denied"],
    [{ StringNotEquals: { k: ["a", "b"] } }, { k: "c" }, "allowed"],
    [{ StringLike: { "s3:prefix": ["tenants/*"] } }, { "s3:prefix": "tenants/1" }, "allowed"],
    [{ StringLikeIfExists: { "s3:prefix": ["tenants/*"] } }, {}, "allowed"],
    [{ Null: { "s3:if-none-match": ["false"] } }, { "s3:if-none-match": "*" }, "allowed"],
    [{ Null: { "s3:if-none-match": ["false"] } }, {}, "denied"],
    [{ Null: { "s3:if-none-match": ["true"] } }, {}, "allowed"],
    [{ Bool: { "aws:SecureTransport": ["true"] } }, { "aws:SecureTransport": "true" }, "allowed"],
    [{ Bool: { "aws:SecureTransport": ["true"] } }, { "aws:SecureTransport": "false" }, "denied"],
    [
      { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["ten_1*"] } },
      { "dynamodb:LeadingKeys": ["ten_1#a", "ten_1#b"] },
      "allowed",
    ],
    [
      { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["ten_1*"] } },
      { "dynamodb:LeadingKeys": ["ten_1#a", "ten_2"] },
      "denied",
    ],
    [{ "ForAnyValue:StringEquals": { k: ["x"] } }, { k: ["y", "x"] }, "allowed"],
    [{ StringEquals: { a: ["1"], b: ["2"] } }, { a: "1", b: "3" }, "denied"],
  ])("%j with %j is %s", (conditions, context, expected) => expect(ask(conditions, context)).toBe(expected));

  it("denies an operator that it does not know, and names it", () => {
    const decision = evaluate(when({ IpAddress: { "aws:SourceIp": ["10.0.0.0/8"] } }), {
      action: "dynamodb:GetItem",
      resource: table,
    });
    expect(decision).toEqual({ kind: "denied", reason: expect.stringContaining("IpAddress") as string });
  });
});

describe("wildcards, as properties", () => {
  const plain = fc.string().filter((text) => !/[*?]/.test(text));
  it("a plain text matches only itself", () =>
    fc.assert(fc.property(plain, plain, (a, b) => matches(a, b) === (a === b))));
  it("a star stands for any middle", () =>
    fc.assert(
      fc.property(plain, fc.string(), plain, (head, middle, tail) => matches(`${head}*${tail}`, head + middle + tail)),
    ));
  it("agrees with a regular expression", () =>
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "b", "*", "?") }),
        fc.string({ unit: fc.constantFrom("a", "b") }),
        (pattern, text) => {
          const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
          return matches(pattern, text) === expression.test(text);
        },
      ),
    ));
  it("needs one character for each question mark", () =>
    fc.assert(
      fc.property(plain, fc.nat(5), (text, count) => matches(text + "?".repeat(count), text) === (count === 0)),
    ));
});
