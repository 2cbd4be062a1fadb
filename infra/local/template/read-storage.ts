import * as z from "zod";
import type { DeployedBucket, DeployedQueue, DeployedSecret, DeployedTable, SecretRecipe } from "./deployed-stack.ts";
import type { Reader } from "./reader.ts";

const jsonText = z.unknown().transform((value) => (typeof value === "string" ? value : JSON.stringify(value)));

const QueueProperties = z.object({
  VisibilityTimeout: z.coerce.string().optional(),
  DelaySeconds: z.coerce.string().optional(),
  MessageRetentionPeriod: z.coerce.string().optional(),
  MaximumMessageSize: z.coerce.string().optional(),
  ReceiveMessageWaitTimeSeconds: z.coerce.string().optional(),
  FifoQueue: z.coerce.string().optional(),
  ContentBasedDeduplication: z.coerce.string().optional(),
  RedrivePolicy: jsonText.optional(),
});

export function readQueues(reader: Reader): DeployedQueue[] {
  return reader.ofType("AWS::SQS::Queue").map(({ id }) => {
    const given = Object.entries(reader.read(id, QueueProperties));
    const attributes = given.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return {
      id,
      name: reader.name(id),
      arn: reader.arn(id),
      url: reader.ref(id),
      attributes: Object.fromEntries(attributes),
    };
  });
}

const KeySchema = z.array(z.object({ AttributeName: z.string(), KeyType: z.enum(["HASH", "RANGE"]) }));

const TableProperties = z.object({
  AttributeDefinitions: z.array(z.object({ AttributeName: z.string(), AttributeType: z.enum(["S", "N", "B"]) })),
  KeySchema,
  GlobalSecondaryIndexes: z
    .array(
      z.object({
        IndexName: z.string(),
        KeySchema,
        Projection: z.object({
          ProjectionType: z.enum(["ALL", "KEYS_ONLY", "INCLUDE"]).default("ALL"),
          NonKeyAttributes: z.array(z.string()).optional(),
        }),
      }),
    )
    .optional(),
  TimeToLiveSpecification: z.object({ AttributeName: z.string(), Enabled: z.boolean() }).optional(),
});

export function readTables(reader: Reader): DeployedTable[] {
  return reader.ofType("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable").map(({ id }) => {
    const definition = { TableName: reader.name(id), ...reader.read(id, TableProperties) };
    return { id, arn: reader.arn(id), definition };
  });
}

const CorsRule = z.object({
  AllowedOrigins: z.array(z.string()),
  AllowedMethods: z.array(z.string()),
  AllowedHeaders: z.array(z.string()).optional(),
  ExposedHeaders: z.array(z.string()).optional(),
  MaxAge: z.coerce.number().optional(),
});

const LifecycleRule = z.object({
  Status: z.enum(["Enabled", "Disabled"]),
  Prefix: z.string().default(""),
  ExpirationInDays: z.coerce.number().optional(),
});

const BucketProperties = z.object({
  CorsConfiguration: z.object({ CorsRules: z.array(CorsRule) }).optional(),
  LifecycleConfiguration: z.object({ Rules: z.array(LifecycleRule) }).optional(),
});

/** Rules about abandoned multipart uploads have no days: there are none of those here. */
function expirationsOf(rules: z.infer<typeof LifecycleRule>[]) {
  return rules.flatMap(({ Status, Prefix, ExpirationInDays: days }) =>
    Status === "Enabled" && days !== undefined ? { prefix: Prefix, days } : [],
  );
}

export function readBuckets(reader: Reader): DeployedBucket[] {
  return reader.ofType("AWS::S3::Bucket").map(({ id }) => {
    const { CorsConfiguration, LifecycleConfiguration } = reader.read(id, BucketProperties);
    const corsRules = CorsConfiguration?.CorsRules ?? [];
    const expirations = expirationsOf(LifecycleConfiguration?.Rules ?? []);
    return { id, name: reader.name(id), arn: reader.arn(id), corsRules, expirations };
  });
}

const SecretProperties = z.object({
  SecretString: z.string().optional(),
  GenerateSecretString: z
    .object({
      PasswordLength: z.coerce.number().default(32),
      ExcludeCharacters: z.string().default(""),
      ExcludePunctuation: z.boolean().default(false),
      ExcludeUppercase: z.boolean().default(false),
      ExcludeLowercase: z.boolean().default(false),
      ExcludeNumbers: z.boolean().default(false),
      IncludeSpace: z.boolean().default(false),
      SecretStringTemplate: z.string().optional(),
      GenerateStringKey: z.string().optional(),
    })
    .optional(),
});

export function readSecrets(reader: Reader): DeployedSecret[] {
  return reader.ofType("AWS::SecretsManager::Secret").map(({ id }) => {
    const { SecretString, GenerateSecretString: spec } = reader.read(id, SecretProperties);
    const recipe: SecretRecipe | null =
      spec === undefined
        ? null
        : {
            length: spec.PasswordLength,
            excludeCharacters: spec.ExcludeCharacters,
            excludePunctuation: spec.ExcludePunctuation,
            excludeUppercase: spec.ExcludeUppercase,
            excludeLowercase: spec.ExcludeLowercase,
            excludeNumbers: spec.ExcludeNumbers,
            includeSpace: spec.IncludeSpace,
            template: spec.SecretStringTemplate ?? null,
            key: spec.GenerateStringKey ?? null,
          };
    return {
      id,
      label: reader.label(id),
      arn: reader.ref(id),
      name: reader.name(id),
      generate: recipe,
      value: SecretString ?? null,
    };
  });
}
