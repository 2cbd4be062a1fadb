import * as z from "zod";
import { Email, NewPassword } from "./account.ts";
import { InviteId, Timestamp, UserId } from "./ids.ts";
import { Role } from "./permission.ts";

export const Member = z.object({ id: UserId, email: z.string(), role: Role, created_at: Timestamp });

export const ChangeRoleRequest = z.strictObject({ role: Role });

export const CreateInviteRequest = z.strictObject({
  role: Role,
  /** Only an account with this email may take the invite; null: whoever has the link. */
  email: Email.nullable().default(null),
});

export const Invite = z.object({
  id: InviteId,
  role: Role,
  email: z.string().nullable(),
  invited_by: UserId,
  created_at: Timestamp,
  expires_at: Timestamp,
});

/** The only answer that has the token. */
export const CreateInviteAnswer = z.object({ ...Invite.shape, token: z.string() });

const InviteToken = z.string().min(1).max(200);

export const AcceptInviteRequest = z.strictObject({ token: InviteToken, email: Email, password: NewPassword });

export const JoinRequest = z.strictObject({ token: InviteToken });
