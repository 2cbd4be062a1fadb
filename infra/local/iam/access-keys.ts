import { randomBytes } from "node:crypto";
import { localAccount, type Caller } from "../contract.ts";
import type { DeployedRole } from "../template/deployed-stack.ts";
import { evaluate, type ConditionContext, type Decision } from "./evaluate.ts";

export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
}

export interface Denial {
  roleId: string;
  action: string;
  resource: string;
  reason: string;
}

/** Who holds which key, and what the template lets them do. */
export interface AccessKeys {
  /** A role's key; every role has one, made at start and held in memory only. */
  ofRole(roleId: string): AccessKey;
  secretOf(accessKeyId: string): string | null;
  callerOf(accessKeyId: string): Caller | null;
}

/** The person who runs the machine: tests and tools look at everything with its key. */
export const operatorRole: DeployedRole = {
  id: "Operator",
  arn: `arn:${localAccount.partition}:iam::${localAccount.id}:role/Operator`,
  statements: [{ effect: "Allow", actions: ["*"], notActions: [], resources: ["*"], conditions: {} }],
};

/** True of every request here: loopback stands for TLS. */
const everywhere: ConditionContext = { "aws:SecureTransport": "true" };

export function createAccessKeys(roles: readonly DeployedRole[], onDenied: (denial: Denial) => void): AccessKeys {
  const keys = new Map(roles.map((role) => [role.id, { role, key: newKey() }]));
  const byKey = new Map(
    [...keys.values()].map(({ role, key }) => [key.accessKeyId, { key, caller: callerFor(role, onDenied) }]),
  );
  return {
    ofRole(roleId) {
      const found = keys.get(roleId);
      if (found === undefined) throw new Error(`role ${roleId} is not in the template`);
      return found.key;
    },
    secretOf: (accessKeyId) => byKey.get(accessKeyId)?.key.secretAccessKey ?? null,
    callerOf: (accessKeyId) => byKey.get(accessKeyId)?.caller ?? null,
  };
}

const maxRemembered = 1000;

/** A role's statements stay as they are: what they say of a request is worked out once. */
function callerFor(role: DeployedRole, onDenied: (denial: Denial) => void): Caller {
  const remembered = new Map<string, Decision>();
  const decide = (action: string, resource: string, context: ConditionContext): Decision => {
    const request = JSON.stringify([action, resource, context]);
    const known = remembered.get(request);
    if (known !== undefined) return known;
    const decision = evaluate(role.statements, { action, resource, context: { ...everywhere, ...context } });
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(request, decision);
    return decision;
  };
  return {
    roleId: role.id,
    allows(action, resource, context = {}) {
      const decision = decide(action, resource, context);
      if (decision.kind === "denied") onDenied({ roleId: role.id, action, resource, reason: decision.reason });
      return decision.kind === "allowed";
    },
  };
}

function newKey(): AccessKey {
  const id = randomBytes(6).toString("hex").toUpperCase().slice(0, 11);
  return { accessKeyId: `AKIALOCAL${id}`, secretAccessKey: randomBytes(30).toString("base64url") };
}
