import { localAccount } from "../contract.ts";
import type { TemplateDocument } from "./document.ts";

/** Answers `Ref` and `Fn::GetAtt` of a resource; throws for a type or attribute it does not know. */
export interface Physical {
  ref(logicalId: string): unknown;
  attribute(logicalId: string, name: string): unknown;
}

export interface Scope {
  stackName: string;
  document: TemplateDocument;
  physical: Physical;
}

/** `AWS::NoValue`: the key that holds it disappears. */
const noValue = Symbol("AWS::NoValue");

type Values = Record<string, unknown>;
type Intrinsic = (argument: unknown, scope: Scope) => unknown;

const intrinsics: Record<string, Intrinsic> = {
  Ref: (name, scope) => reference(text(name, "Ref"), scope),
  "Fn::GetAtt": (argument, scope) => {
    const [id, ...path] = typeof argument === "string" ? argument.split(".") : list(argument, "Fn::GetAtt").map(String);
    return scope.physical.attribute(text(id, "Fn::GetAtt"), path.join("."));
  },
  "Fn::Join": (argument, scope) => {
    const [separator, parts] = list(argument, "Fn::Join");
    return list(resolve(parts, scope), "Fn::Join").map(String).join(text(separator, "Fn::Join"));
  },
  "Fn::Sub": substitute,
  "Fn::Select": (argument, scope) => {
    const [index, values] = list(argument, "Fn::Select");
    const found = list(resolve(values, scope), "Fn::Select")[Number(resolve(index, scope))];
    if (found === undefined) throw new Error(`Fn::Select: no value at ${String(index)}`);
    return found;
  },
  "Fn::Split": (argument, scope) => {
    const [separator, value] = list(argument, "Fn::Split");
    return text(resolve(value, scope), "Fn::Split").split(text(separator, "Fn::Split"));
  },
  "Fn::If": (argument, scope) => {
    const [name, whenTrue, whenFalse] = list(argument, "Fn::If");
    return resolveOrDrop(holds(text(name, "Fn::If"), scope) ? whenTrue : whenFalse, scope);
  },
  "Fn::FindInMap": (argument, scope) => {
    const [map, first, second] = list(argument, "Fn::FindInMap").map((key) => String(resolve(key, scope)));
    const found = scope.document.Mappings[map ?? ""]?.[first ?? ""]?.[second ?? ""];
    if (found === undefined) throw new Error(`Fn::FindInMap: no ${map}.${first}.${second}`);
    return found;
  },
  "Fn::GetAZs": () => ["a", "b", "c"].map((zone) => localAccount.region + zone),
  "Fn::Base64": (argument, scope) => Buffer.from(text(resolve(argument, scope), "Fn::Base64")).toString("base64"),
  "Fn::Equals": (argument, scope) => {
    const [left, right] = list(argument, "Fn::Equals").map((side) => resolve(side, scope));
    return String(left) === String(right);
  },
  "Fn::And": (argument, scope) => list(argument, "Fn::And").every((condition) => truth(condition, scope)),
  "Fn::Or": (argument, scope) => list(argument, "Fn::Or").some((condition) => truth(condition, scope)),
  "Fn::Not": (argument, scope) => !truth(list(argument, "Fn::Not")[0], scope),
};

const pseudoParameters: Record<string, unknown> = {
  "AWS::Region": localAccount.region,
  "AWS::AccountId": localAccount.id,
  "AWS::Partition": localAccount.partition,
  "AWS::URLSuffix": localAccount.urlSuffix,
  "AWS::NoValue": noValue,
  "AWS::NotificationARNs": [],
};

/** A template value with every intrinsic replaced. Throws for an intrinsic it does not know, and names it. */
export function resolve(value: unknown, scope: Scope): unknown {
  const resolved = resolveOrDrop(value, scope);
  return resolved === noValue ? undefined : resolved;
}

/** Does the template's named condition hold? */
export function holds(name: string, scope: Scope): boolean {
  const condition = scope.document.Conditions[name];
  if (condition === undefined) throw new Error(`condition ${name} is not in the template`);
  return truth(condition, scope);
}

function truth(condition: unknown, scope: Scope): boolean {
  const named = condition as { Condition?: unknown };
  if (typeof named === "object" && named !== null && typeof named.Condition === "string")
    return holds(named.Condition, scope);
  const value = resolve(condition, scope);
  return value === true || value === "true";
}

function resolveOrDrop(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map((item) => resolveOrDrop(item, scope)).filter((item) => item !== noValue);
  if (typeof value === "string" && value.includes("{{resolve:"))
    throw new Error(`dynamic reference ${value} has no value on one machine`);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as Values);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && (first[0] === "Ref" || first[0].startsWith("Fn::"))) {
    const intrinsic = intrinsics[first[0]];
    if (intrinsic === undefined) throw new Error(`unknown intrinsic ${first[0]}`);
    return intrinsic(first[1], scope);
  }
  const resolved = entries.map(([key, item]) => [key, resolveOrDrop(item, scope)] as const);
  return Object.fromEntries(resolved.filter(([, item]) => item !== noValue));
}

function reference(name: string, scope: Scope): unknown {
  if (name === "AWS::StackName") return scope.stackName;
  if (name === "AWS::StackId") {
    return `arn:${localAccount.partition}:cloudformation:${localAccount.region}:${localAccount.id}:stack/${scope.stackName}/local`;
  }
  if (name in pseudoParameters) return pseudoParameters[name];
  const parameter = scope.document.Parameters[name];
  if (parameter === undefined) return scope.physical.ref(name);
  if (parameter.Default === undefined) throw new Error(`parameter ${name} has no default`);
  return parameter.Default;
}

function substitute(argument: unknown, scope: Scope): string {
  const [format, variables] = typeof argument === "string" ? [argument, {}] : list(argument, "Fn::Sub");
  const given = (variables ?? {}) as Values;
  return text(format, "Fn::Sub").replace(/\$\{([^}]+)\}/g, (whole, expression: string) => {
    if (expression.startsWith("!")) return `\${${expression.slice(1)}}`;
    const name = expression.trim();
    if (name in given) return String(resolve(given[name], scope));
    return String(resolve(name.includes(".") ? { "Fn::GetAtt": name } : { Ref: name }, scope));
  });
}

function list(value: unknown, intrinsic: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${intrinsic}: expected a list, got ${JSON.stringify(value)}`);
  return value;
}

function text(value: unknown, intrinsic: string): string {
  if (typeof value !== "string") throw new Error(`${intrinsic}: expected a string, got ${JSON.stringify(value)}`);
  return value;
}
