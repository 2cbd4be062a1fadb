import { randomBytes } from "node:crypto";
import { localAccount, type Caller } from "../contract.ts";
import type { DeployedRole } from "../template/deployed-stack.ts";
import { evaluate, type ConditionContext } from "./evaluate.ts";

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
  const byKey = new Map([...keys.values()].map(({ role, key }) => [key.accessKeyId, { role, key }]));
  return {
    ofRole(roleId) {
      const found = keys.get(roleId);
      if (found === undefined) throw new Error(`role ${roleId} is not in the template`);
      return found.key;
    },
    secretOf: (accessKeyId) => byKey.get(accessKeyId)?.key.secretAccessKey ?? null,
    callerOf(accessKeyId) {
      const found = byKey.get(accessKeyId);
      return found === undefined ? null : callerFor(found.role, onDenied);
    },
  };
}

function callerFor(role: DeployedRole, onDenied: (denial: Denial) => void): Caller {
  return {
    roleId: role.id,
    allows(action, resource, context = {}) {
      const decision = evaluate(role.statements, { action, resource, context: { ...everywhere, ...context } });
      if (decision.kind === "denied") onDenied({ roleId: role.id, action, resource, reason: decision.reason });
      return decision.kind === "allowed";
    },
  };
}

function newKey(): AccessKey {
  const id = randomBytes(6).toString("hex").toUpperCase().slice(0, 11);
  return { accessKeyId: `AKIALOCAL${id}`, secretAccessKey: randomBytes(30).toString("base64url") };
}
