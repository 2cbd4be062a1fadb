import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { PlatformStack } from "../../infra/platform-stack.ts";
import { readCliContext, readStageConfig, type Stage } from "../../infra/stage-config.ts";
import { functionEntries } from "../../scripts/bundle.ts";

export interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
}

export interface PlatformTemplate {
  Resources: Record<string, Resource>;
  Outputs: Record<string, { Value: unknown }>;
}

const made: string[] = [];

/** A directory that looks like the output of `npm run build`, so that no test needs real bundles. */
export function fakeBuild(functionIds: readonly string[] = Object.keys(functionEntries)): string {
  const directory = mkdtempSync(join(tmpdir(), "platform-build-"));
  made.push(directory);
  for (const id of functionIds) {
    mkdirSync(join(directory, "functions", id), { recursive: true });
    writeFileSync(
      join(directory, "functions", id, "index.mjs"),
      `export const handler = async () => ${JSON.stringify(id)};`,
    );
  }
  mkdirSync(join(directory, "sandbox"));
  writeFileSync(join(directory, "sandbox/Dockerfile"), "FROM scratch\n");
  return directory;
}

export function removeFakeBuilds(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
}

/** The stage's template, as `cdk synth` would write it, without the rule packs (they run with `npm run synth`). */
export function synthesize(
  stage: Stage,
  context: Record<string, string> = {},
  codeDirectory = fakeBuild(),
): PlatformTemplate {
  process.env["CDK_VALIDATION"] = "false";
  const outdir = mkdtempSync(join(tmpdir(), "platform-synth-"));
  made.push(outdir);
  const app = new App({
    outdir,
    autoSynth: false,
    analyticsReporting: false,
    context: { ...readCliContext(), "aws:cdk:bundling-stacks": [], stage, ...context },
  });
  const stack = new PlatformStack(app, "Platform", {
    config: readStageConfig(app.node),
    codeDirectory,
    version: "1.2.3",
  });
  return Template.fromStack(stack).toJSON() as PlatformTemplate;
}

/** Resources of a type, by logical id without CDK's hash. */
export function ofType(template: PlatformTemplate, type: string): Record<string, Resource> {
  const found = Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);
  return Object.fromEntries(found.map(([id, resource]) => [nameOf(id), resource]));
}

/** The variables of a function, by its construct id. */
export function environmentOf(template: PlatformTemplate, functionId: string): Record<string, unknown> {
  const fn = ofType(template, "AWS::Lambda::Function")[functionId];
  if (fn === undefined) throw new Error(`no function ${functionId} in the template`);
  return (fn.Properties["Environment"] as { Variables: Record<string, unknown> }).Variables;
}

export function nameOf(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, "");
}

/** An intrinsic as text: `{Queue.Arn}`, `{Bucket.Arn}/*`. */
export function spell(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const { Ref, "Fn::GetAtt": attribute, "Fn::Join": join, "Fn::Sub": format } = value as Record<string, unknown>;
  if (typeof Ref === "string") return `{${nameOf(Ref)}}`;
  if (Array.isArray(attribute)) return `{${nameOf(String(attribute[0]))}.${String(attribute[1])}}`;
  if (Array.isArray(join)) return (join[1] as unknown[]).map(spell).join(String(join[0]));
  if (typeof format === "string") return format;
  return JSON.stringify(value);
}

export interface Statement {
  effect: string;
  actions: string[];
  resources: string[];
  principal: unknown;
  conditions: unknown;
}

interface RawStatement {
  Effect: string;
  Action: string | string[];
  Resource?: unknown;
  Principal?: unknown;
  Condition?: unknown;
}

const listOf = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

function statementsOf(document: unknown): Statement[] {
  return (document as { Statement: RawStatement[] }).Statement.map((raw) => ({
    effect: raw.Effect,
    actions: listOf(raw.Action),
    resources: listOf(raw.Resource).map(spell),
    principal: raw.Principal,
    conditions: raw.Condition,
  }));
}

/** Every statement of every policy, with the name of what it hangs on: a role, a queue, a bucket. */
export function allStatements(template: PlatformTemplate): { owner: string; statement: Statement }[] {
  return Object.values(template.Resources).flatMap(({ Type, Properties }) => {
    const owners = listOf(Properties["Roles"] ?? Properties["Queues"] ?? Properties["Bucket"]).map(spell);
    if (!["AWS::IAM::Policy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"].includes(Type)) return [];
    return owners.flatMap((owner) =>
      statementsOf(Properties["PolicyDocument"]).map((statement) => ({ owner: owner.replace(/[{}]/g, ""), statement })),
    );
  });
}

/** Statements that a role is granted by a policy of its own. */
export function statementsOfRole(template: PlatformTemplate, role: string): Statement[] {
  return allStatements(template)
    .filter(({ owner }) => owner === role)
    .map(({ statement }) => statement);
}
