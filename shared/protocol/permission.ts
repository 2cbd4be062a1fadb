import * as z from "zod";

export const Role = z.enum(["owner", "admin", "member", "viewer"]);
export type Role = z.infer<typeof Role>;

const everybody = ["owner", "admin", "member", "viewer"] as const satisfies Role[];
const writers = ["owner", "admin", "member"] as const satisfies Role[];
const managers = ["owner", "admin"] as const satisfies Role[];

/**
 * What there is to be allowed, and which roles may. Every route and every frame names one of these; docs/security.md
 * and the tenant matrix of the tests are made from this table. What is not here is denied.
 */
export const permissions = {
  /** One's own account: who am I, tickets, signing out. Never given to an API key. */
  "account.self": everybody,
  "session.read": everybody,
  /** Create, change and delete sessions. */
  "session.write": writers,
  /** Send, steer, interrupt and reorder prompts. */
  "prompt.send": writers,
  /** Decide on tool calls that wait for a person, and answer the model's questions. */
  "approval.resolve": writers,
  /** See, search and download the workspace's files. */
  "file.read": everybody,
  /** Write, move and delete them. */
  "file.write": writers,
  /** Open terminals, type in them, close them; who reads the session sees them. */
  "terminal.write": writers,
  /** The tenant's whole usage, by user and session. */
  "usage.read": managers,
  "budget.manage": managers,
  "member.read": everybody,
  /** Invite, change roles, remove; only an owner makes or unmakes owners. */
  "member.manage": managers,
  "api_key.manage": managers,
  "webhook.manage": managers,
  /** Give, see and take away the credentials with which sessions read and push repositories. */
  "git_credential.manage": managers,
  /** Set, list and delete the secrets that sandboxes may be given. */
  "secret.manage": managers,
  /** Rename the tenant. */
  "tenant.manage": ["owner"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;
export const Permission = z.enum(Object.keys(permissions) as [Permission, ...Permission[]]);

/** What an API key may be given. */
export const Scope = Permission.exclude(["account.self"]);
export type Scope = z.infer<typeof Scope>;

export function roleMay(role: Role, permission: Permission): boolean {
  return (permissions[permission] as readonly Role[]).includes(role);
}
