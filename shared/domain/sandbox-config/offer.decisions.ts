import type * as z from "zod";
import { AppError } from "../../errors.ts";
import type { SandboxCapabilities } from "../../ports/sandbox-provider.ts";
import { sandboxConfigKeys } from "../../protocol/sandbox-config.ts";

type Keys = typeof sandboxConfigKeys;
export type SandboxWish = { [K in keyof Keys]?: z.output<Keys[K]> };

/** The image that every deployment has. */
export const defaultImage = "default";

const listed = (names: readonly string[]) => (names.length > 0 ? names.join(", ") : "none");

/** What a session asks for and these sandboxes do not have: where, and what they have instead. */
export function notOffered(
  { network, size, image }: SandboxWish,
  { networkPolicies, sizes = [], images = [] }: SandboxCapabilities,
): { path: string; message: string }[] {
  const refused = (path: string, wish: string | undefined, offered: readonly string[]) =>
    wish === undefined || offered.includes(wish)
      ? []
      : [{ path, message: `the sandboxes of this deployment offer: ${listed(offered)}` }];
  return [
    ...refused("network.policy", network?.policy, networkPolicies),
    ...refused("size", size, sizes),
    ...refused("image", image, [defaultImage, ...images]),
  ];
}

/** Throws `not_offered`. */
export function requireOffered(wish: SandboxWish, capabilities: SandboxCapabilities): void {
  const refused = notOffered(wish, capabilities);
  if (refused.length === 0) return;
  const issues = refused.map(({ path, message }) => ({ path: `body.sbx_config.${path}`, message }));
  throw new AppError("not_offered", undefined, { issues });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/**
 * What a stored `sbx_config` asks of the sandbox. It may be older than these rules: a part that they do not take is left
 * out, but a network that cannot be read is no network.
 */
export function wishOf(stored: unknown): SandboxWish {
  if (!isRecord(stored)) return {};
  const wish: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(sandboxConfigKeys)) {
    const parsed = schema.safeParse(stored[name]);
    if (parsed.success && parsed.data !== undefined) wish[name] = parsed.data;
  }
  if (stored["network"] !== undefined && wish["network"] === undefined) wish["network"] = { policy: "none" };
  return wish;
}
