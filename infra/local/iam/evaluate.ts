import type { Statement } from "../template/deployed-stack.ts";

/** Values of condition keys for one request: `ecs:cluster`, `aws:SecureTransport`. Keys are case-insensitive. */
export type ConditionContext = Record<string, string | string[]>;

export interface AccessRequest {
  action: string;
  resource: string;
  context?: ConditionContext;
}

export type Decision = { kind: "allowed" } | { kind: "denied"; reason: string };

type Operator = (actual: string, expected: string) => boolean;

const arnLike: Operator = (actual, expected) => {
  const parts = actual.split(":");
  const patterns = expected.split(":");
  if (patterns.length < 6) return matches(expected, actual);
  const head = patterns.slice(0, 5).every((pattern, index) => matches(pattern, parts[index] ?? ""));
  return head && matches(patterns.slice(5).join(":"), parts.slice(5).join(":"));
};

const operators: Record<string, Operator> = {
  StringEquals: (actual, expected) => actual === expected,
  StringEqualsIgnoreCase: (actual, expected) => actual.toLowerCase() === expected.toLowerCase(),
  StringLike: (actual, expected) => matches(expected, actual),
  ArnEquals: arnLike,
  ArnLike: arnLike,
  Bool: (actual, expected) => actual.toLowerCase() === expected.toLowerCase(),
  NumericLessThanEquals: (actual, expected) => Number(actual) <= Number(expected),
};

const negated: Record<string, Operator> = {
  StringNotEquals: (actual, expected) => actual !== expected,
  StringNotLike: (actual, expected) => !matches(expected, actual),
  ArnNotEquals: (actual, expected) => !arnLike(actual, expected),
  ArnNotLike: (actual, expected) => !arnLike(actual, expected),
};

/**
 * AWS's rule over one role's statements: an explicit deny wins, then an allow is needed.
 * A condition operator that is not known here denies, whatever the effect of its statement.
 */
export function evaluate(statements: readonly Statement[], request: AccessRequest): Decision {
  const matching = statements.filter(
    (statement) => coversAction(statement, request.action) && coversResource(statement, request.resource),
  );
  let allowed = false;
  for (const statement of matching) {
    const unknown = unknownOperator(statement);
    if (unknown !== null)
      return { kind: "denied", reason: `condition operator ${unknown} is not known on one machine` };
    if (!conditionsHold(statement, request.context ?? {})) continue;
    if (statement.effect === "Deny") return { kind: "denied", reason: "an explicit deny" };
    allowed = true;
  }
  return allowed ? { kind: "allowed" } : { kind: "denied", reason: "no statement allows it" };
}

function coversAction(statement: Statement, action: string): boolean {
  const is = (pattern: string) => matches(pattern.toLowerCase(), action.toLowerCase());
  if (statement.notActions.length > 0) return !statement.notActions.some(is);
  return statement.actions.some(is);
}

function coversResource(statement: Statement, resource: string): boolean {
  return statement.resources.some((pattern) => matches(pattern, resource));
}

function unknownOperator(statement: Statement): string | null {
  const known = (name: string) => {
    const { base } = parts(name);
    return base === "Null" || base in operators || base in negated;
  };
  return Object.keys(statement.conditions).find((name) => !known(name)) ?? null;
}

function parts(name: string): { base: string; ifExists: boolean; quantifier: "all" | "any" | null } {
  const quantifier = name.startsWith("ForAllValues:") ? "all" : name.startsWith("ForAnyValue:") ? "any" : null;
  const bare = name.replace(/^For(AllValues|AnyValue):/, "");
  return { base: bare.replace(/IfExists$/, ""), ifExists: bare.endsWith("IfExists"), quantifier };
}

function conditionsHold(statement: Statement, context: ConditionContext): boolean {
  const values = new Map(
    Object.entries(context).map(([key, value]) => [key.toLowerCase(), Array.isArray(value) ? value : [value]]),
  );
  return Object.entries(statement.conditions).every(([operator, block]) =>
    Object.entries(block).every(([key, expected]) => conditionHolds(operator, values.get(key.toLowerCase()), expected)),
  );
}

function conditionHolds(name: string, actual: string[] | undefined, expected: string[]): boolean {
  const { base, ifExists, quantifier } = parts(name);
  if (base === "Null") return expected.includes(String(actual === undefined));
  if (actual === undefined || actual.length === 0) return ifExists || base in negated || quantifier === "all";
  const not = negated[base];
  const is = operators[base];
  const passes = (value: string) =>
    not === undefined
      ? expected.some((pattern) => is?.(value, pattern) === true)
      : expected.every((pattern) => not(value, pattern));
  return quantifier === "any" ? actual.some(passes) : actual.every(passes);
}

/** IAM's wildcards: `*` is any run of characters, `?` exactly one. */
export function matches(pattern: string, value: string): boolean {
  let p = 0;
  let v = 0;
  let star = -1;
  let resume = 0;
  while (v < value.length) {
    const char = pattern[p];
    if (char === "*") {
      star = p++;
      resume = v;
    } else if (char === "?" || (char !== undefined && char === value[v])) {
      p++;
      v++;
    } else if (star >= 0) {
      p = star + 1;
      v = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
