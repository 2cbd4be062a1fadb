import type { Actor, SandboxIdentity } from "./tokens.ts";

/** Lets a new WebSocket in: its row is there when this answers. */
export interface ConnectionDoor {
  /** Burns the ticket and writes its connection in one transaction; false where the ticket is not good (any more). */
  enterByTicket(connectionId: string, ticket: string): Promise<boolean>;
  enterUser(connectionId: string, actor: Actor): Promise<void>;
  enterSandbox(connectionId: string, sandbox: SandboxIdentity): Promise<void>;
}
