import * as z from "zod";
import { NetworkPolicy } from "../protocol/network.ts";
import { SizeName, sizeNames } from "../protocol/sandbox-config.ts";
import type { SandboxCapabilities } from "../ports/sandbox-provider.ts";

/**
 * `isolated`: the provider gives the toolbox an empty network namespace, and the supervisor decides what gets out of it.
 * `shared`: the containers of a task share one network (Fargate), so that nothing but `open` can be kept.
 */
export const ToolboxNetwork = z.enum(["isolated", "shared"]);
export type ToolboxNetwork = z.infer<typeof ToolboxNetwork>;

/** 1024 of `cpu` is one vCPU. */
export const SandboxSize = z.object({
  cpu: z.number().int().positive(),
  memoryMiB: z.number().int().positive(),
  /** What people's programs get of it; the rest is the supervisor's. */
  toolboxMemoryMiB: z.number().int().positive(),
});
export type SandboxSize = z.infer<typeof SandboxSize>;

/** What the sandboxes of a stage can be asked for. */
export const SandboxOffer = z.object({
  networkPolicies: z.array(NetworkPolicy).min(1),
  /** Of sessions that ask for none. */
  defaultNetwork: NetworkPolicy,
  sizes: z.partialRecord(SizeName, SandboxSize),
  images: z.array(z.string()),
});
export type SandboxOffer = z.infer<typeof SandboxOffer>;

export function policiesOf(network: ToolboxNetwork): NetworkPolicy[] {
  return network === "isolated" ? [...NetworkPolicy.options] : ["open"];
}

export function capabilitiesOf({ networkPolicies, sizes, images }: SandboxOffer): SandboxCapabilities {
  return { networkPolicies, sizes: sizeNames.filter((name) => sizes[name] !== undefined), images };
}
