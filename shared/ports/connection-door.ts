import type { SandboxIdentity, UserClaims } from "./tokens.ts";

/**
 * Lets a new WebSocket in: its rows are there when this answers, and were written while whoever comes was still a member.
 * Throws `unauthenticated` for a proof that is not good (any more), `quota_exceeded` over the plan's sockets.
 */
export interface ConnectionDoor {
  /** Burns the ticket. */
  enterByTicket(connectionId: string, ticket: string): Promise<void>;
  enterByApiKey(connectionId: string, text: string): Promise<void>;
  enterUser(connectionId: string, user: UserClaims): Promise<void>;
  enterSandbox(connectionId: string, sandbox: SandboxIdentity): Promise<void>;
}
