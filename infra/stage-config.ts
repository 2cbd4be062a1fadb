import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Node } from "constructs";
import { type GitHost, OidcProvider, PlanName, Registration, type RequestLimit } from "../shared/config/env.ts";
import { NetworkPolicy } from "../shared/protocol/network.ts";
import { policiesOf, type SandboxOffer, type SandboxSize, type ToolboxNetwork } from "../shared/config/sandbox.ts";
import type { Throttle } from "./constructs/http-api.ts";

export const stages = ["local", "dev", "prod"] as const;
export type Stage = (typeof stages)[number];

/** Under which origin previews are: none, the preview API's own address (one machine), or a wildcard domain. */
export type PreviewOrigin =
  | { kind: "none" }
  | { kind: "api" }
  | { kind: "domain"; domain: string; certificateArn: string };

/** Everything in which stages differ. They never differ in shape, so `local` runs what `prod` gets. */
export interface StageConfig {
  readonly stage: Stage;
  /** Keep table, bucket and secrets when the stack goes, and refuse to delete the table. */
  readonly retainData: boolean;
  readonly logRetention: RetentionDays;
  /** Origins of web consoles: for CORS, and for WebSockets opened by browsers. */
  readonly allowedOrigins: readonly string[];
  readonly gitHosts: readonly GitHost[];
  /** `open`: anybody may register a tenant. `invite_only`: nobody, so register your own before you close it. */
  readonly registration: Registration;
  /** OpenID providers whose ID tokens sign people in. */
  readonly oidc: readonly OidcProvider[];
  readonly turnModel: string;
  /** Asked while `turnModel` refuses for longer than a minute; null is none. */
  readonly fallbackModel: string | null;
  readonly namingModel: string;
  readonly preview: PreviewOrigin;
  /** Steps that run at the same time, over all tenants (2 to 1000). */
  readonly turnConcurrency: number;
  /** Sessions published and webhooks called at the same time, over all tenants (2 to 1000). */
  readonly outboundConcurrency: number;
  /** Webhooks may be http, on loopback and on private networks: only where every tenant is the machine's owner. */
  readonly privateWebhooks: boolean;
  readonly throttle: Throttle;
  /** The plan of every tenant that was given none: `shared/config/plans.ts`. */
  readonly defaultPlan: PlanName;
  /** What one address may ask of public routes; null is unlimited. */
  readonly publicRequests: RequestLimit | null;
  /** The size of sandboxes whose session asks for none, and named `standard`. */
  readonly sandbox: SandboxSize;
  /** What else a session may ask for. Pairs of CPU and memory that Fargate takes. */
  readonly otherSizes: { readonly small: SandboxSize; readonly large: SandboxSize };
  /** Whether the toolbox has a network namespace of its own: on Fargate it cannot. */
  readonly toolboxNetwork: ToolboxNetwork;
  /** Of sessions that ask for none. */
  readonly defaultNetwork: NetworkPolicy;
  /** Images that a session may name, each built from another base. */
  readonly sandboxImages: readonly SandboxImage[];
  /** Sandboxes that run and wait for a session, each at the price of a task; 0 is none. */
  readonly warmSandboxes: number;
  /** SNS topic that alarms are sent to. */
  readonly alarmTopicArn: string | null;
}

/** Built from `containers/sandbox/Dockerfile` on a base that has Node 22 or newer. */
export interface SandboxImage {
  readonly name: string;
  readonly base: string;
}

/** What sandboxes of this stage can be asked for, as the functions are told. */
export function sandboxOffer(config: StageConfig): SandboxOffer {
  return {
    networkPolicies: policiesOf(config.toolboxNetwork),
    defaultNetwork: config.defaultNetwork,
    sizes: { ...config.otherSizes, standard: config.sandbox },
    images: config.sandboxImages.map(({ name }) => name),
  };
}

const publicHosts: GitHost[] = ["github.com", "gitlab.com", "bitbucket.org"].map((name) => ({
  name,
  origin: `https://${name}`,
  allowPrivate: false,
  push: "none",
  defaultOwner: null,
}));

const deployed = {
  gitHosts: publicHosts,
  turnModel: "claude-sonnet-5-5",
  fallbackModel: null,
  namingModel: "claude-haiku-5-5",
  registration: "open",
  oidc: [],
  preview: { kind: "none" },
  alarmTopicArn: null,
  toolboxNetwork: "shared",
  defaultNetwork: "open",
  sandboxImages: [],
  warmSandboxes: 0,
  otherSizes: {
    small: { cpu: 512, memoryMiB: 1024, toolboxMemoryMiB: 640 },
    large: { cpu: 2048, memoryMiB: 8192, toolboxMemoryMiB: 7424 },
  },
} as const;

const configs: Record<Stage, (setting: Setting) => StageConfig> = {
  local: (setting) => ({
    ...deployed,
    stage: "local",
    warmSandboxes: 1,
    retainData: false,
    logRetention: RetentionDays.ONE_DAY,
    allowedOrigins: ["http://127.0.0.1:4100", "http://localhost:4100"],
    gitHosts: [builtInHost(setting("gitHostOrigin") ?? "http://127.0.0.1:4104"), ...publicHosts],
    ...(process.env["ANTHROPIC_API_KEY"] ? {} : { turnModel: "rehearsal", namingModel: "rehearsal" }),
    preview: { kind: "api" },
    ...localNetwork(setting),
    turnConcurrency: 10,
    outboundConcurrency: 10,
    privateWebhooks: true,
    throttle: { rateLimit: 1000, burstLimit: 2000 },
    defaultPlan: "unlimited",
    publicRequests: null,
    sandbox: { cpu: 1024, memoryMiB: 2048, toolboxMemoryMiB: 1536 },
  }),
  dev: () => ({
    ...deployed,
    stage: "dev",
    retainData: false,
    logRetention: RetentionDays.TWO_WEEKS,
    allowedOrigins: ["http://localhost:4100"],
    turnConcurrency: 20,
    outboundConcurrency: 20,
    privateWebhooks: false,
    throttle: { rateLimit: 100, burstLimit: 200 },
    defaultPlan: "unlimited",
    publicRequests: { perMinute: 300, burst: 150 },
    sandbox: { cpu: 1024, memoryMiB: 2048, toolboxMemoryMiB: 1536 },
  }),
  prod: () => ({
    ...deployed,
    stage: "prod",
    retainData: true,
    logRetention: RetentionDays.THREE_MONTHS,
    allowedOrigins: [],
    turnConcurrency: 200,
    outboundConcurrency: 200,
    privateWebhooks: false,
    throttle: { rateLimit: 1000, burstLimit: 2000 },
    defaultPlan: "trial",
    publicRequests: { perMinute: 300, burst: 150 },
    sandbox: { cpu: 1024, memoryMiB: 4096, toolboxMemoryMiB: 3328 },
  }),
};

/** Text given by `-c name=value`; undefined where it is not given or empty. */
type Setting = (name: string) => string | undefined;

/**
 * The stage named by `-c stage=` (default `dev`), with what an account sets by context: `model`, `fallbackModel`, `allowedOrigins`
 * (separated by commas), `defaultPlan`, `registration`, `oidc` and `sandboxImages` (JSON lists), `warmSandboxes`, `previewDomain` with `previewCertificateArn`, `alarmTopicArn`; on `local` also
 * `gitHostOrigin`, `sandboxIsolation`, `sandboxNetwork`.
 */
export function readStageConfig(node: Node): StageConfig {
  const setting: Setting = (name) => {
    const value: unknown = node.tryGetContext(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const stage = setting("stage") ?? "dev";
  if (!isStage(stage)) throw new Error(`unknown stage "${stage}": one of ${stages.join(", ")}`);
  const config = configs[stage](setting);
  return {
    ...config,
    turnModel: setting("model") ?? config.turnModel,
    fallbackModel: setting("fallbackModel") ?? config.fallbackModel,
    namingModel: setting("namingModel") ?? config.namingModel,
    allowedOrigins: setting("allowedOrigins")?.split(",") ?? config.allowedOrigins,
    preview: previewDomain(setting) ?? config.preview,
    defaultPlan: planOf(setting("defaultPlan")) ?? config.defaultPlan,
    registration: registrationOf(setting("registration")) ?? config.registration,
    oidc: oidcOf(node.tryGetContext("oidc")) ?? config.oidc,
    warmSandboxes: countOf(setting("warmSandboxes")) ?? config.warmSandboxes,
    alarmTopicArn: setting("alarmTopicArn") ?? config.alarmTopicArn,
    sandboxImages: imagesOf(node.tryGetContext("sandboxImages")) ?? config.sandboxImages,
  };
}

/** Where the bundles are, the version they were built from, and whether the rule packs run over the template. */
export function readBuild(): { codeDirectory: string; version: string; isValidated: boolean } {
  const { version } = readJson("package.json") as { version: string };
  return { codeDirectory: resolve("dist"), version, isValidated: process.env["CDK_VALIDATION"] !== "false" };
}

/** What the CLI passes by itself, so that an app that runs without it gives the same template. */
export function readCliContext(): Record<string, unknown> {
  const { context } = readJson("cdk.json") as { context: Record<string, unknown> };
  return { ...context, "aws:cdk:enable-path-metadata": true, "aws:cdk:enable-asset-metadata": true };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

function isStage(value: string): value is Stage {
  return stages.some((stage) => stage === value);
}

function planOf(name: string | undefined): PlanName | undefined {
  const plan = PlanName.options.find((known) => known === name);
  if (name !== undefined && !plan) throw new Error(`unknown plan "${name}": one of ${PlanName.options.join(", ")}`);
  return plan;
}

function registrationOf(name: string | undefined): Registration | undefined {
  const registration = Registration.options.find((known) => known === name);
  if (name !== undefined && !registration) throw new Error(`registration is one of ${Registration.options.join(", ")}`);
  return registration;
}

/** A list in cdk.json, or its JSON on the command line. */
function oidcOf(value: unknown): OidcProvider[] | undefined {
  if (value === undefined || value === "") return undefined;
  const providers = OidcProvider.array().safeParse(typeof value === "string" ? JSON.parse(value) : value);
  if (providers.success) return providers.data;
  const paths = providers.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new Error(`oidc is not a list of providers: ${paths.join("; ")}`);
}

function previewDomain(setting: Setting): PreviewOrigin | undefined {
  const domain = setting("previewDomain");
  const certificateArn = setting("previewCertificateArn");
  if (domain === undefined && certificateArn === undefined) return undefined;
  if (domain === undefined || certificateArn === undefined)
    throw new Error("previewDomain and previewCertificateArn go together");
  return { kind: "domain", domain, certificateArn };
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text)) throw new Error("warmSandboxes is a number from 0 to 999");
  return Number(text);
}

/** One machine isolates the toolbox, unless it isolates nothing. */
function localNetwork(setting: Setting): Pick<StageConfig, "toolboxNetwork" | "defaultNetwork"> {
  if (setting("sandboxIsolation") === "none") return { toolboxNetwork: "shared", defaultNetwork: "open" };
  return { toolboxNetwork: "isolated", defaultNetwork: NetworkPolicy.parse(setting("sandboxNetwork") ?? "none") };
}

/** A list in cdk.json, or its JSON on the command line. */
function imagesOf(value: unknown): SandboxImage[] | undefined {
  if (value === undefined || value === "") return undefined;
  const images: unknown = typeof value === "string" ? JSON.parse(value) : value;
  const isImage = (one: Partial<SandboxImage> | null) =>
    /^[a-z][a-z0-9-]{0,62}$/.test(one?.name ?? "") && one?.name !== "default" && typeof one?.base === "string";
  if (!Array.isArray(images) || !images.every(isImage))
    throw new Error('sandboxImages is a list of {"name", "base"}: names of small letters, digits and "-", but default');
  return images as SandboxImage[];
}

/** The git host of the one-machine run, which trusts tokens that the platform signs. */
function builtInHost(origin: string): GitHost {
  return { name: "local", origin, allowPrivate: true, push: "signed", defaultOwner: "demo", sharedOwners: ["demo"] };
}
