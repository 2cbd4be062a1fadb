import * as z from "zod";
import { TenantId, UserId } from "./ids.ts";
import { Role } from "./permission.ts";

export const User = z.object({ id: UserId, email: z.string(), role: Role });

export const Tenant = z.object({ id: TenantId, name: z.string() });

/** A tenant of the user who asks, with the role there. */
export const TenantOfUser = z.object({ ...Tenant.shape, role: Role });

/** In lower case from here on. */
export const Email = z
  .email()
  .max(254)
  .transform((email) => email.toLowerCase());

/** One that is being chosen; one that is only compared may be shorter. */
export const NewPassword = z.string().min(10).max(200);
const PresentedPassword = z.string().min(1).max(200);

const TenantName = z.string().trim().min(1).max(100);

export const RegisterRequest = z.strictObject({ email: Email, password: NewPassword, tenant_name: TenantName });

export const LoginRequest = z.strictObject({ email: Email, password: PresentedPassword });

export const RefreshRequest = z.strictObject({ refresh_token: z.string().min(1).max(200) });

export const ChangePasswordRequest = z.strictObject({
  current_password: PresentedPassword,
  new_password: NewPassword,
});

/** Any text: a tenant that one is not in is not found, as one that does not exist. */
export const SwitchRequest = z.strictObject({ tenant_id: z.string().min(1).max(100) });

export const TenantRequest = z.strictObject({ name: TenantName });

const idToken = {
  /** The name of a provider in the stage's configuration. */
  provider: z.string().min(1).max(100),
  id_token: z.string().min(1).max(16_384),
};

export const OidcRequest = z.strictObject({
  ...idToken,
  /** The invite that lets the person in. */
  invite_token: z.string().min(1).max(200).optional(),
  /** Of the tenant that a new account gets without an invite; its email's part before the @ where there is none. */
  tenant_name: TenantName.optional(),
});

export const LinkIdentityRequest = z.strictObject({ ...idToken, current_password: PresentedPassword });

export const TokenAnswer = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  /** Seconds that the access token lives. */
  expires_in: z.number().int(),
  user: User,
  tenant: Tenant,
});

export type TokenAnswer = z.infer<typeof TokenAnswer>;

/** `user.role` is the role in `tenant`, which the token is for; `tenants` are all of the user's, that one among them. */
export const MeAnswer = z.object({ user: User, tenant: Tenant, tenants: z.array(TenantOfUser) });

export const TicketAnswer = z.object({ ticket: z.string(), expires_in: z.number().int() });
