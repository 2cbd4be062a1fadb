import * as z from "zod";

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
});
export type GitHost = z.infer<typeof GitHost>;

const stage = { STAGE: z.string(), VERSION: z.string() };
const table = { TABLE_NAME: z.string() };
const queue = { WORK_QUEUE_URL: z.string() };
const bucket = { BUCKET_NAME: z.string() };
/** `https://{api}.execute-api.{region}.amazonaws.com/{stage}`, the endpoint of `@connections`. */
const sockets = { CONNECTIONS_URL: z.url() };
const userKeys = { USER_SECRET_ID: z.string() };
const sandboxKeys = { SANDBOX_SECRET_ID: z.string() };
const previewKeys = { PREVIEW_SECRET_ID: z.string() };
const issuer = { TOKEN_ISSUER: z.string() };
const git = { GIT_HOSTS: json(z.array(GitHost)), GIT_SECRET_ID: z.string() };
const model = { MODEL_SECRET_ID: z.string() };
const tasks = {
  CLUSTER: z.string(),
  TASK_DEFINITION: z.string(),
  SUBNETS: z.string().transform((list) => list.split(",")),
  SECURITY_GROUP: z.string(),
};
/** Scheme, host and port under which `<session>--<port>.` is put in front; empty where the stage has no preview domain. */
const preview = { PREVIEW_ORIGIN: z.string() };

/** One schema per process: the construct of a function takes exactly these, so that none can be forgotten. */
export const environments = {
  http: z.object({
    ...stage,
    ...table,
    ...queue,
    ...bucket,
    ...sockets,
    ...userKeys,
    ...sandboxKeys,
    ...previewKeys,
    ...issuer,
    ...git,
    ...preview,
    WEBSOCKET_URL: z.url(),
    NAMING_FUNCTION: z.string(),
    TURN_MODEL: z.string(),
    ALLOWED_ORIGINS: json(z.array(z.string())),
  }),
  connect: z.object({ ...stage, ...table, ...issuer, ALLOWED_ORIGINS: json(z.array(z.string())) }),
  disconnect: z.object({ ...stage, ...table, ...queue }),
  frames: z.object({ ...stage, ...table, ...queue, ...sockets, ...bucket }),
  sandbox: z.object({ ...stage, ...table, ...queue, ...sockets, ...bucket, ...sandboxKeys, ...issuer, ...git }),
  turn: z.object({
    ...stage,
    ...table,
    ...queue,
    ...bucket,
    ...sockets,
    ...sandboxKeys,
    ...model,
    ...tasks,
    ...git,
    TURN_MODEL: z.string(),
  }),
  deadLetters: z.object({ ...stage, ...table, ...sockets, ...bucket }),
  naming: z.object({ ...stage, ...model, NAMING_MODEL: z.string() }),
  sweeper: z.object({ ...stage, ...table, ...queue }),
  containerEvents: z.object({ ...stage, ...table, ...queue, ...sockets, ...bucket }),
  previewFront: z.object({ ...stage, ...table, ...previewKeys, ...preview, PREVIEW_RELAY_FUNCTION: z.string() }),
  previewRelay: z.object({ ...stage }),
  /** Set on the task definition; BOOT_SECRET, TENANT_ID, SESSION_ID and EPOCH come with each launch. */
  supervisor: z.object({
    PLATFORM_URL: z.url(),
    WEBSOCKET_URL: z.url(),
    WORKSPACE_DIR: z.string(),
    STATE_DIR: z.string(),
    SOCKET_DIR: z.string(),
    PREVIEW_PORT: z.coerce.number().int(),
    TENANT_ID: z.string(),
    SESSION_ID: z.string(),
    EPOCH: z.coerce.number().int(),
    BOOT_SECRET: z.string(),
  }),
  toolbox: z.object({ WORKSPACE_DIR: z.string(), SOCKET_DIR: z.string() }),
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
