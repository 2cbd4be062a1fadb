import type { Role } from "../../protocol/permission.ts";

export interface RoleChange {
  /** Of who asks; a member that leaves asks for itself. */
  actorRole: Role;
  from: Role;
  /** Null: the membership ends. */
  to: Role | null;
  /** Of the tenant, as of now. */
  owners: number;
}

export type RoleDecision =
  | { kind: "refused"; code: "forbidden" | "last_owner" }
  /** What the number of owners changes by. */
  | { kind: "allowed"; owners: -1 | 0 | 1 };

/** Only an owner makes or unmakes an owner, and one always stays. */
export function decideRoleChange({ actorRole, from, to, owners }: RoleChange): RoleDecision {
  const concernsOwner = from === "owner" || to === "owner";
  if (concernsOwner && actorRole !== "owner") return { kind: "refused", code: "forbidden" };
  if (from === to || !concernsOwner) return { kind: "allowed", owners: 0 };
  if (to === "owner") return { kind: "allowed", owners: 1 };
  return owners > 1 ? { kind: "allowed", owners: -1 } : { kind: "refused", code: "last_owner" };
}
