import { Stack, Validations } from "aws-cdk-lib";
import type { PolicyStatement, Role } from "aws-cdk-lib/aws-iam";

/** Says why a role may use resources that a name cannot single out: one finding of the rule pack for each. */
export function acknowledgeWildcards(role: Role, statements: readonly PolicyStatement[], reason: string): void {
  const resources = statements.flatMap((statement) => statement.resources);
  const patterns = new Set(
    resources.map((resource) => spelled(Stack.of(role).resolve(resource))).filter((text) => text.includes("*")),
  );
  for (const pattern of patterns)
    Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${pattern}]`, reason });
}

/** A resolved ARN as the rule pack spells it: `<Bucket.Arn>/*`. */
function spelled(value: unknown): string {
  if (typeof value === "string") return value;
  const {
    Ref,
    "Fn::GetAtt": attribute,
    "Fn::Join": join,
  } = value as { Ref?: string; "Fn::GetAtt"?: string[]; "Fn::Join"?: [string, unknown[]] };
  if (Ref !== undefined) return `<${Ref}>`;
  if (attribute !== undefined) return `<${attribute.join(".")}>`;
  if (join !== undefined) return join[1].map(spelled).join(join[0]);
  throw new Error(`no ARN: ${JSON.stringify(value)}`);
}
