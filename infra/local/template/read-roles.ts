import * as z from "zod";
import { localAccount } from "../contract.ts";
import type { DeployedRole, Statement } from "./deployed-stack.ts";
import type { Reader } from "./reader.ts";

const oneOrMore = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]));
const conditionValue = z
  .union([z.string(), z.boolean(), z.number(), z.array(z.union([z.string(), z.boolean(), z.number()]))])
  .transform((value) => (Array.isArray(value) ? value : [value]).map(String));

const StatementSchema = z
  .object({
    Effect: z.enum(["Allow", "Deny"]),
    Action: oneOrMore.default([]),
    NotAction: oneOrMore.default([]),
    Resource: oneOrMore,
    Condition: z.record(z.string(), z.record(z.string(), conditionValue)).default({}),
  })
  .transform((statement): Statement => ({
    effect: statement.Effect,
    actions: statement.Action,
    notActions: statement.NotAction,
    resources: statement.Resource,
    conditions: statement.Condition,
  }));

const PolicyDocument = z.object({
  Statement: z
    .union([StatementSchema, z.array(StatementSchema)])
    .transform((value) => (Array.isArray(value) ? value : [value])),
});

const RoleProperties = z.object({
  Policies: z.array(z.object({ PolicyDocument })).default([]),
  ManagedPolicyArns: z.array(z.string()).default([]),
});
const PolicyProperties = z.object({ PolicyDocument });
const PolicyRoles = z.object({ Roles: z.array(z.string()).default([]) });

const logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
const network = [
  "ec2:CreateNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DeleteNetworkInterface",
];
const images = [
  "ecr:GetAuthorizationToken",
  "ecr:BatchCheckLayerAvailability",
  "ecr:GetDownloadUrlForLayer",
  "ecr:BatchGetImage",
];

/** What AWS's own managed policies allow, as far as templates use them. */
const managedPolicies: Record<string, string[]> = {
  AWSLambdaBasicExecutionRole: logs,
  AWSLambdaVPCAccessExecutionRole: [...logs, ...network],
  AmazonECSTaskExecutionRolePolicy: [...images, "logs:CreateLogStream", "logs:PutLogEvents"],
};

const policyTypes = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"];

/** The roles named, each with every statement that reaches it: inline, attached and AWS's own managed policies. */
export function readRoles(reader: Reader, roleIds: ReadonlySet<string>): DeployedRole[] {
  const policies = reader.ofType(...policyTypes).map(({ id }) => ({ id, roles: reader.read(id, PolicyRoles).Roles }));
  return [...roleIds].map((id) => {
    const properties = reader.read(id, RoleProperties);
    const own = properties.Policies.flatMap((policy) => policy.PolicyDocument.Statement);
    const attached = policies.filter((policy) => policy.roles.includes(reader.ref(id)));
    const others = attached.flatMap((policy) => reader.read(policy.id, PolicyProperties).PolicyDocument.Statement);
    const managed = properties.ManagedPolicyArns.map(managedStatement);
    return { id, arn: reader.arn(id), statements: [...own, ...others, ...managed] };
  });
}

function managedStatement(arn: string): Statement {
  const actions = managedPolicies[arn.split("/").at(-1) ?? ""];
  if (actions === undefined || !arn.startsWith(`arn:${localAccount.partition}:iam::aws:`)) {
    throw new Error(`managed policy ${arn} is not known on one machine`);
  }
  return { effect: "Allow", actions, notActions: [], resources: ["*"], conditions: {} };
}
