import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { startAwsEndpoint } from "../../../infra/local/aws/endpoint.ts";
import { createAccessKeys } from "../../../infra/local/iam/access-keys.ts";
import { createObjects, type BucketDefinition } from "../../../infra/local/objects/objects.ts";

export const bucket = "sandbox-objects";

/** Roles by what they may do with the bucket and its objects. */
const actionsOf = {
  all: ["s3:*"],
  reading: ["s3:GetObject", "s3:ListBucket"],
  blind: ["s3:GetObject"],
  writing: ["s3:PutObject"],
};
type Role = keyof typeof actionsOf;

export interface LocalBucket {
  connect(role?: Role, config?: S3ClientConfig): S3Client;
  url: string;
  directory: string;
  /** Serves the same directory anew, as after a restart. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Our S3 behind the real signed endpoint, on a free port. */
export async function startLocalBucket(
  definition: Partial<BucketDefinition> = {},
  now = () => Date.now(),
): Promise<LocalBucket> {
  const directory = await mkdtemp(join(tmpdir(), "objects-"));
  const resources = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const roles = Object.entries(actionsOf).map(([id, actions]) => ({
    id,
    arn: `arn:aws:iam::000000000000:role/${id}`,
    statements: [{ effect: "Allow" as const, actions, notActions: [], resources, conditions: {} }],
  }));
  const keys = createAccessKeys(roles, () => undefined);
  const open = (port: number) => {
    const s3 = createObjects({ directory, buckets: [{ name: bucket, ...definition }], now }).service;
    return startAwsEndpoint({ port, keys, log: () => undefined, now, services: { s3 } });
  };
  let endpoint = await open(0);
  const clients: S3Client[] = [];
  return {
    url: endpoint.url,
    directory,
    connect(role = "all", config = {}) {
      const client = new S3Client({
        endpoint: endpoint.url,
        region: "us-east-1",
        credentials: keys.ofRole(role),
        maxAttempts: 1,
        ...config,
      });
      clients.push(client);
      return client;
    },
    async restart() {
      await endpoint.stop();
      endpoint = await open(endpoint.port);
    },
    async stop() {
      for (const client of clients) client.destroy();
      await endpoint.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
