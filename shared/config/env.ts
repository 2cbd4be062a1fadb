import * as z from "zod";
import { planNames } from "../ports/plans.ts";
import { SandboxOffer, ToolboxNetwork } from "./sandbox.ts";

/** A JSON text in an environment value, parsed. */
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: "not JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);

export const GitHost = z.object({
  name: z.string(),
  /** Scheme, host and port: `https://github.com`. */
  origin: z.url(),
  /** May resolve to loopback or a private address. */
  allowPrivate: z.boolean().default(false),
  /** `signed`: the host takes short-lived tokens that the platform signs (the built-in host). `none`: read only. */
  push: z.enum(["none", "signed"]).default("none"),
  /** Under which a bare repository name is looked up. */
  defaultOwner: z.string().nullable().default(null),
  /** Of a signed host: whose repositories every tenant may push to, beside its own. */
  sharedOwners: z.array(z.string()).optional(),
  /** Whose ways it has, where its name does not say so. */
  kind: z.enum(["github", "gitlab", "bitbucket", "plain"]).optional(),
  /** Where its API is, where that is not where such a host has it. */
  api: z.url().optional(),
});
export type GitHost = z.infer<typeof GitHost>;

export const PlanName = z.enum(planNames);
export type PlanName = z.infer<typeof PlanName>;

export const RequestLimit = z.object({ perMinute: z.number().positive(), burst: z.number().int().positive() });
export type RequestLimit = z.infer<typeof RequestLimit>;

/** An OpenID provider whose ID tokens sign people in. */
export const OidcProvider = z.object({
  /** How clients name it. */
  name: z.string().min(1).max(100),
  /** As its tokens and its discovery document say it: https, or a development machine's own. */
  issuer: z.url().regex(/^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost)[:/])/, "must be https"),
  /** The client id that its tokens must be for. */
  audience: z.string().min(1),
  /** Names of the claims that hold the email, and that it was verified. */
  claims: z
    .object({ email: z.string().default("email"), email_verified: z.string().default("email_verified") })
    .default({ email: "email", email_verified: "email_verified" }),
});
export type OidcProvider = z.infer<typeof OidcProvider>;

/** Who may make tenants. */
export const Registration = z.enum(["open", "invite_only"]);
export type Registration = z.infer<typeof Registration>;

const stage = { STAGE: z.string(), VERSION: z.string() };
/** The URL is DynamoDB's own: `https://dynamodb.{region}.amazonaws.com`. */
const table = { TABLE_NAME: z.string(), TABLE_URL: z.url() };
const queue = { WORK_QUEUE_URL: z.string() };
const outbound = { OUTBOUND_QUEUE_URL: z.string() };
const jobs = { JOB_QUEUE_URL: z.string() };
const webhooks = { WEBHOOK_SECRET_ID: z.string() };
/** Whether webhooks may be `http` and on the machine's own networks. */
const webhookHosts = { PRIVATE_WEBHOOKS: z.stringbool() };
const bucket = { BUCKET_NAME: z.string() };
/** `https://{api}.execute-api.{region}.amazonaws.com/{stage}`, the endpoint of `@connections`. */
const sockets = { CONNECTIONS_URL: z.url() };
const userKeys = { USER_SECRET_ID: z.string() };
const sandboxKeys = { SANDBOX_SECRET_ID: z.string() };
const previewKeys = { PREVIEW_SECRET_ID: z.string() };
const issuer = { TOKEN_ISSUER: z.string() };
const git = {
  GIT_HOSTS: json(z.array(GitHost)),
  GIT_SECRET_ID: z.string(),
  /** How the names of the tenants' secrets begin. */
  GIT_CREDENTIALS_PREFIX: z.string(),
};
const model = { MODEL_SECRET_ID: z.string() };
const tasks = {
  CLUSTER: z.string(),
  TASK_DEFINITION: z.string(),
  SUBNETS: z.string().transform((list) => list.split(",")),
  SECURITY_GROUP: z.string(),
};
/** Scheme, host and port under which `<session>--<port>.` is put in front; empty where the stage has no preview domain. */
const preview = { PREVIEW_ORIGIN: z.string() };
/** By way of which the sandboxes are reached. */
const relay = { PREVIEW_RELAY_FUNCTION: z.string() };
const plan = { DEFAULT_PLAN: PlanName };
const offer = { SANDBOX_OFFER: json(SandboxOffer) };

/** One schema per process: the construct of a function takes exactly these, so that none can be forgotten. */
export const environments = {
  http: z.object({
    ...stage,
    ...table,
    ...queue,
    ...outbound,
    ...jobs,
    ...webhooks,
    ...webhookHosts,
    ...bucket,
    ...sockets,
    ...userKeys,
    ...sandboxKeys,
    ...previewKeys,
    ...issuer,
    ...git,
    ...preview,
    ...relay,
    ...plan,
    ...offer,
    PUBLIC_REQUESTS: json(RequestLimit.nullable()),
    WEBSOCKET_URL: z.url(),
    NAMING_FUNCTION: z.string(),
    TURN_MODEL: z.string(),
    ALLOWED_ORIGINS: json(z.array(z.string())),
    REGISTRATION: Registration,
    OIDC_PROVIDERS: json(z.array(OidcProvider)),
  }),
  connect: z.object({ ...stage, ...table, ...issuer, ...plan, ALLOWED_ORIGINS: json(z.array(z.string())) }),
  disconnect: z.object({ ...stage, ...table, ...queue }),
  frames: z.object({ ...stage, ...table, ...queue, ...outbound, ...sockets, ...bucket, ...relay, ...plan }),
  sandbox: z.object({
    ...stage,
    ...table,
    ...queue,
    ...outbound,
    ...sockets,
    ...bucket,
    ...sandboxKeys,
    ...issuer,
    ...git,
    ...webhooks,
    ...offer,
  }),
  turn: z.object({
    ...stage,
    ...table,
    ...queue,
    ...outbound,
    ...bucket,
    ...sockets,
    ...sandboxKeys,
    ...model,
    ...tasks,
    ...git,
    ...plan,
    ...offer,
    /** Task definitions of images beside the deployment's own, by their names. */
    IMAGE_DEFINITIONS: json(z.record(z.string(), z.string())),
    /** Sandboxes that wait for a session. */
    WARM_SANDBOXES: z.coerce.number().int().nonnegative(),
    TURN_MODEL: z.string(),
    /** Empty where there is none. */
    TURN_FALLBACK_MODEL: z.string(),
  }),
  deadLetters: z.object({ ...stage, ...table, ...sockets, ...bucket }),
  naming: z.object({ ...stage, ...model, NAMING_MODEL: z.string() }),
  sweeper: z.object({
    ...stage,
    ...table,
    ...queue,
    ...outbound,
    ...jobs,
    CLUSTER: z.string(),
    WARM_SANDBOXES: z.coerce.number().int().nonnegative(),
  }),
  jobs: z.object({ ...stage, ...table, ...bucket, ...sockets, ...outbound, CLUSTER: z.string() }),
  containerEvents: z.object({ ...stage, ...table, ...queue, ...outbound, ...sockets, ...bucket }),
  keyRotation: z.object({
    ...stage,
    ...table,
    ...userKeys,
    ...sandboxKeys,
    ...previewKeys,
    GIT_SECRET_ID: z.string(),
  }),
  previewFront: z.object({ ...stage, ...table, ...queue, ...previewKeys, ...preview, ...relay }),
  previewRelay: z.object({ ...stage }),
  outbound: z.object({
    ...stage,
    ...table,
    ...outbound,
    ...webhooks,
    /** `https://events.{region}.amazonaws.com` */
    EVENTS_URL: z.url(),
    EVENT_BUS_ARN: z.string(),
    COURIER_FUNCTION: z.string(),
  }),
  courier: z.object({ ...stage, ...webhookHosts }),
  /** Set on the task definition; BOOT_SECRET, TENANT_ID, SESSION_ID and EPOCH come with each launch. */
  supervisor: z.object({
    PLATFORM_URL: z.url(),
    WEBSOCKET_URL: z.url(),
    WORKSPACE_DIR: z.string(),
    STATE_DIR: z.string(),
    SOCKET_DIR: z.string(),
    PREVIEW_PORT: z.coerce.number().int(),
    TOOLBOX_NETWORK: ToolboxNetwork.default("shared"),
    TENANT_ID: z.string(),
    SESSION_ID: z.string(),
    EPOCH: z.coerce.number().int(),
    BOOT_SECRET: z.string(),
  }),
  toolbox: z.object({
    WORKSPACE_DIR: z.string(),
    SOCKET_DIR: z.string(),
    TOOLBOX_NETWORK: ToolboxNetwork.default("shared"),
    /** Its memory limit; a launch of another size brings its own. */
    MEMORY_MIB: z.coerce.number().int().optional(),
  }),
} as const;

export type ProcessName = keyof typeof environments;
export type Environment<P extends ProcessName> = z.output<(typeof environments)[P]>;
/** What a construct must set: a forgotten variable does not compile. */
export type EnvironmentNames<P extends ProcessName> = keyof z.input<(typeof environments)[P]> & string;

/** Fails the cold start and names every missing or malformed variable (never its value). */
export function readEnvironment<P extends ProcessName>(
  process: P,
  values: Record<string, string | undefined>,
): Environment<P> {
  const parsed = environments[process].safeParse(values);
  if (parsed.success) return parsed.data as Environment<P>;
  const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))];
  throw new Error(`environment of ${process}: missing or malformed ${names.join(", ")}`);
}
