import * as z from "zod";

/** A failure in the words of the service; `extra` are members of its shape. */
export class EcsFailure extends Error {
  readonly type: string;
  readonly extra: Record<string, unknown>;

  constructor(type: string, message: string, extra: Record<string, unknown> = {}) {
    super(message);
    this.type = type;
    this.extra = extra;
  }
}

const KeyValue = z.object({ name: z.string(), value: z.string() });
const maxOverrideChars = 8_192;

export const RunTaskRequest = z.object({
  cluster: z.string().default("default"),
  taskDefinition: z.string(),
  count: z.number().int().min(1).max(10).default(1),
  launchType: z.string().optional(),
  clientToken: z.string().max(64).optional(),
  startedBy: z.string().max(128).optional(),
  group: z.string().optional(),
  networkConfiguration: z
    .object({
      awsvpcConfiguration: z.object({
        subnets: z.array(z.string()).min(1).max(16),
        securityGroups: z.array(z.string()).max(5).default([]),
        assignPublicIp: z.enum(["ENABLED", "DISABLED"]).default("DISABLED"),
      }),
    })
    .optional(),
  overrides: z
    .object({
      containerOverrides: z
        .array(
          z.object({
            name: z.string(),
            environment: z.array(KeyValue).default([]),
            /** MiB. */
            memory: z.number().int().positive().optional(),
          }),
        )
        .default([]),
      /** Of the whole task: 1024 is one vCPU, and MiB. */
      cpu: z.string().regex(/^\d+$/).optional(),
      memory: z.string().regex(/^\d+$/).optional(),
    })
    .default({ containerOverrides: [] })
    .refine((overrides) => JSON.stringify(overrides).length <= maxOverrideChars, {
      message: `Container Overrides length must be at most ${maxOverrideChars}`,
    }),
});
export type RunTaskRequest = z.output<typeof RunTaskRequest>;

export const StopTaskRequest = z.object({
  cluster: z.string().default("default"),
  task: z.string(),
  reason: z.string().max(1_024).default("Task stopped by user"),
});

export const DescribeTasksRequest = z.object({
  cluster: z.string().default("default"),
  tasks: z.array(z.string()).min(1).max(100),
});

export const ListTasksRequest = z.object({
  cluster: z.string().default("default"),
  family: z.string().optional(),
  startedBy: z.string().optional(),
  desiredStatus: z.enum(["RUNNING", "PENDING", "STOPPED"]).default("RUNNING"),
  maxResults: z.number().int().min(1).max(100).default(100),
  nextToken: z.string().optional(),
});

/** Parses the members of a request, or fails as the service does. */
export function readRequest<T extends z.ZodType>(schema: T, members: unknown): z.output<T> {
  const parsed = schema.safeParse(members);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  throw new EcsFailure("InvalidParameterException", where + (issue?.message ?? "invalid"));
}
