/** The template as one machine runs it: intrinsics resolved, names and addresses still AWS's. Ids are logical ids. */
export interface DeployedStack {
  name: string;
  functions: DeployedFunction[];
  httpApis: DeployedHttpApi[];
  webSocketApis: DeployedWebSocketApi[];
  restApis: DeployedRestApi[];
  queues: DeployedQueue[];
  eventSources: DeployedEventSource[];
  tables: DeployedTable[];
  buckets: DeployedBucket[];
  secrets: DeployedSecret[];
  rules: DeployedRule[];
  eventBuses: { id: string; name: string; arn: string }[];
  clusters: { id: string; name: string; arn: string }[];
  taskDefinitions: DeployedTaskDefinition[];
  roles: DeployedRole[];
}

export interface DeployedFunction {
  id: string;
  /** The construct's own id: `Http`, `Turn`. */
  label: string;
  name: string;
  arn: string;
  /** Absolute path of the module, and the export that is the handler. */
  file: string;
  exportName: string;
  timeoutSeconds: number;
  memoryMb: number;
  /** Null: no limit of its own. */
  reservedConcurrency: number | null;
  environment: Record<string, string>;
  roleId: string;
  recursiveLoop: "Allow" | "Terminate";
  /** How often an event that nobody waits for is tried again. */
  asyncRetries: number;
}

export interface DeployedRoute {
  routeKey: string;
  functionId: string;
  timeoutMs: number;
}

export interface DeployedHttpApi {
  id: string;
  label: string;
  apiId: string;
  stage: string;
  cors: Cors | null;
  routes: (DeployedRoute & { payloadVersion: string })[];
}

export interface Cors {
  allowOrigins: string[];
  allowMethods: string[];
  allowHeaders: string[];
  exposeHeaders: string[];
  allowCredentials: boolean;
  maxAgeSeconds: number | null;
}

export interface DeployedWebSocketApi {
  id: string;
  label: string;
  apiId: string;
  stage: string;
  routeSelection: string;
  /** `responds`: what its function answers goes to the sender. */
  routes: (DeployedRoute & { responds: boolean })[];
}

/** Of the one shape that exists here: all of it goes to one function, whose answer is streamed. */
export interface DeployedRestApi {
  id: string;
  label: string;
  apiId: string;
  stage: string;
  functionId: string;
}

export interface DeployedQueue {
  id: string;
  name: string;
  arn: string;
  url: string;
  /** As SQS's own CreateQueue takes them. */
  attributes: Record<string, string>;
}

export interface DeployedEventSource {
  id: string;
  queueArn: string;
  functionId: string;
  batchSize: number;
  windowSeconds: number;
  reportsItemFailures: boolean;
  maximumConcurrency: number | null;
}

export interface DeployedTable {
  id: string;
  arn: string;
  /** As CreateTable takes it, with the time to live beside. */
  definition: {
    TableName: string;
    AttributeDefinitions: { AttributeName: string; AttributeType: "S" | "N" | "B" }[];
    KeySchema: KeySchema;
    GlobalSecondaryIndexes?: {
      IndexName: string;
      KeySchema: KeySchema;
      Projection: { ProjectionType: "ALL" | "KEYS_ONLY" | "INCLUDE"; NonKeyAttributes?: string[] };
    }[];
    TimeToLiveSpecification?: { AttributeName: string; Enabled: boolean };
  };
}

export type KeySchema = { AttributeName: string; KeyType: "HASH" | "RANGE" }[];

export interface DeployedBucket {
  id: string;
  name: string;
  arn: string;
  corsRules: CorsRule[];
  /** Objects below the prefix go so many days after they were put. */
  expirations: { prefix: string; days: number }[];
}

/** As S3 takes it. */
export interface CorsRule {
  AllowedOrigins: string[];
  AllowedMethods: string[];
  AllowedHeaders?: string[];
  ExposedHeaders?: string[];
  MaxAge?: number;
}

export interface DeployedSecret {
  id: string;
  label: string;
  arn: string;
  name: string;
  generate: SecretRecipe | null;
  /** The value that the template itself gives. */
  value: string | null;
}

export interface SecretRecipe {
  length: number;
  excludeCharacters: string;
  excludePunctuation: boolean;
  excludeUppercase: boolean;
  excludeLowercase: boolean;
  excludeNumbers: boolean;
  includeSpace: boolean;
  /** A JSON object into which the value goes under `key`. */
  template: string | null;
  key: string | null;
}

export interface RuleTarget {
  to: { kind: "function"; functionId: string } | { kind: "queue"; queueArn: string; group: string | null };
  /** Sent in place of the event. */
  input: unknown;
  retries: number;
}

export interface DeployedRule {
  id: string;
  name: string;
  /** By name; AWS's own events and schedules are on `default`. */
  bus: string;
  schedule: string | null;
  pattern: Record<string, unknown> | null;
  targets: RuleTarget[];
}

export interface DeployedTaskDefinition {
  id: string;
  family: string;
  arn: string;
  /** The template's properties, intrinsics resolved. */
  properties: Record<string, unknown>;
}

export interface Statement {
  effect: "Allow" | "Deny";
  actions: string[];
  notActions: string[];
  resources: string[];
  conditions: Record<string, Record<string, string[]>>;
}

export interface DeployedRole {
  id: string;
  arn: string;
  statements: Statement[];
}
