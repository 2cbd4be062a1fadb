import * as z from "zod";
import { TenantId, UserId } from "./ids.ts";
import { Role } from "./permission.ts";

export const User = z.object({ id: UserId, email: z.string(), role: Role });

export const Tenant = z.object({ id: TenantId, name: z.string() });

const Email = z
  .email()
  .max(254)
  .transform((email) => email.toLowerCase());

const Password = z.string().min(10).max(200);

export const RegisterRequest = z.strictObject({
  email: Email,
  password: Password,
  tenant_name: z.string().trim().min(1).max(100),
});

export const LoginRequest = z.strictObject({ email: Email, password: z.string().min(1).max(200) });

export const RefreshRequest = z.strictObject({ refresh_token: z.string().min(1).max(200) });

export const TokenAnswer = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  /** Seconds that the access token lives. */
  expires_in: z.number().int(),
  user: User,
  tenant: Tenant,
});

export type TokenAnswer = z.infer<typeof TokenAnswer>;

export const MeAnswer = z.object({ user: User, tenant: Tenant });

export const TicketAnswer = z.object({ ticket: z.string(), expires_in: z.number().int() });
