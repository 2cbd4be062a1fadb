import * as z from "zod";
import { AllowedHost, NetworkPolicy } from "./network.ts";

/** In bytes of UTF-8 where not said otherwise. */
export const maxVariables = 50;
export const maxVariableBytes = 4 * 1024;
/** Of all variables with their values, so that they fit a message. */
export const maxEnvironmentBytes = 64 * 1024;
export const maxSetupCommands = 20;
export const maxSetupCharacters = 16 * 1024;
/** Of all setup commands together. */
export const setupLimitMs = 600_000;
/** What is kept of the output of a setup command, from its end. */
export const maxSetupTailCharacters = 2_000;

const Text = z
  .string()
  .refine((text) => !text.includes("\0"), "holds no NUL character")
  .refine((text) => new TextEncoder().encode(text).length <= maxVariableBytes, "is over 4 KB");

/** What the shell, the loader and the sandbox itself go by. */
const reserved = new Set([
  ...["PATH", "HOME", "IFS", "ENV", "PWD", "OLDPWD", "SHELL", "SHELLOPTS", "SHLVL", "TERM", "TMPDIR", "_"],
  ...["UID", "EUID", "PPID", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS4", "POSIXLY_CORRECT", "GLOBIGNORE", "CDPATH"],
  ...["NODE_USE_ENV_PROXY", "WORKSPACE_DIR", "SOCKET_DIR", "STATE_DIR"],
]);
const reservedBeginnings = /^(LD_|DYLD_|BASH|SANDBOX_|ECS_|AWS_CONTAINER_)/;
const proxies = /^(HTTP|HTTPS|ALL|FTP|NO)_PROXY$/i;

export function isReservedVariable(name: string): boolean {
  return reserved.has(name) || reservedBeginnings.test(name) || proxies.test(name);
}

const VariableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
  .refine((name) => !isReservedVariable(name), "is reserved");

/** Of a tenant's secret, as URLs and `sbx_config` name it. */
export const SecretName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/);

export const sizeNames = ["small", "standard", "large"] as const;
export const SizeName = z.enum(sizeNames);
export type SizeName = z.infer<typeof SizeName>;

export const NetworkConfig = z
  .strictObject({
    /** Asking for what this deployment's sandboxes cannot keep is refused, never silently `open`. */
    policy: NetworkPolicy,
    /** What `allowlist` lets through. */
    allow: z.array(AllowedHost).max(100).optional(),
  })
  .refine(({ policy, allow }) => (policy === "allowlist") === (allow !== undefined), {
    message: "goes with the policy allowlist, and only with it",
    path: ["allow"],
  });

export const VariableValue = z.union([Text, z.strictObject({ secret: SecretName })]);

/** Variables of people's commands: a value, or the name of a secret of the tenant. */
export const EnvironmentConfig = z
  .record(VariableName, VariableValue)
  .refine((variables) => Object.keys(variables).length <= maxVariables, `holds at most ${maxVariables} variables`);

/** Run one after the other in a fresh container, before its first tool call. The first that fails ends them. */
export const SetupConfig = z
  .array(z.string().min(1).max(4_000))
  .max(maxSetupCommands)
  .refine((commands) => commands.join("").length <= maxSetupCharacters, "are over 16,384 characters in all");

/** The part of `sbx_config` that a container is made by. */
export const sandboxConfigKeys = {
  network: NetworkConfig.optional(),
  setup: SetupConfig.optional(),
  environment: EnvironmentConfig.optional(),
  /** CPU and memory, of the sizes of this deployment. */
  size: SizeName.optional(),
  /** One of the images of this deployment. */
  image: z.string().min(1).max(64).optional(),
};

/** What became of the setup commands. */
export const SetupOutcome = z.object({
  ok: z.boolean(),
  /** The one that failed, from 0; null where none did. */
  command: z.number().int().nonnegative().nullable(),
  /** Null where it did not end by itself. */
  exit_code: z.number().int().nullable(),
  /** The last words of that command, or of the last one. */
  tail: z.string().max(maxSetupTailCharacters),
  duration_ms: z.number().int().nonnegative(),
});
export type SetupOutcome = z.infer<typeof SetupOutcome>;

/** What a supervisor is told to keep and to run. Values of variables are in its memory, and never anywhere else. */
export const SandboxConfiguration = z.object({
  network: z.object({ policy: NetworkPolicy, allow: z.array(z.string()) }),
  setup: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  /** Names in `environment` whose values nobody may read in an output. */
  secret: z.array(z.string()),
  /** Variables that could not be set, and why. */
  missing: z.array(z.object({ name: z.string(), reason: z.string() })),
});
export type SandboxConfiguration = z.infer<typeof SandboxConfiguration>;
