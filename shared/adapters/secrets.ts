import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import type { Clock } from "../ports/clock.ts";
import { ModelFailure } from "../ports/model.ts";

const defaultTtlMs = 5 * 60_000;

export interface SecretReader {
  /** The secret's string. `fresh` skips the cache, for a value that turned out to be old. */
  text(secretId: string, options?: { fresh?: boolean }): Promise<string>;
  /** The same, parsed. A mismatch is thrown without the value. */
  json<T extends z.ZodType>(secretId: string, schema: T, options?: { fresh?: boolean }): Promise<z.output<T>>;
}

interface Cached {
  value: Promise<string>;
  readAt: number;
}

/** Reads Secrets Manager and keeps what it read for five minutes; readers at the same time share one request. */
export function secretReader(
  client: SecretsManagerClient,
  clock: Pick<Clock, "now">,
  ttlMs = defaultTtlMs,
): SecretReader {
  const cache = new Map<string, Cached>();

  function read(secretId: string): Promise<string> {
    const entry: Cached = { value: fetchSecret(client, secretId), readAt: clock.now() };
    cache.set(secretId, entry);
    entry.value.catch(() => {
      if (cache.get(secretId) === entry) cache.delete(secretId);
    });
    return entry.value;
  }

  function text(secretId: string, { fresh = false } = {}): Promise<string> {
    const cached = cache.get(secretId);
    const holds = cached !== undefined && clock.now() - cached.readAt < ttlMs;
    return holds && !fresh ? cached.value : read(secretId);
  }

  return {
    text,
    async json(secretId, schema, options) {
      const parsed = schema.safeParse(parseJson(await text(secretId, options)));
      if (parsed.success) return parsed.data;
      throw new Error(`secret ${secretId} does not have the expected shape`);
    },
  };
}

async function fetchSecret(client: SecretsManagerClient, secretId: string): Promise<string> {
  const answer = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
  if (answer.SecretString === undefined) throw new Error(`secret ${secretId} holds no text`);
  return answer.SecretString;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const ModelSecret = z.object({ api_key: z.string() });

/**
 * The model's key out of its secret, in the form that the model adapters take. Throws `ModelFailure` of the kind
 * `unauthorized` while the operator has not set one: waiting would not bring it.
 */
export function modelKey(secrets: SecretReader, secretId: string): (options: { fresh: boolean }) => Promise<string> {
  return async (options) => {
    const { api_key } = await secrets.json(secretId, ModelSecret, options);
    if (api_key === "") throw new ModelFailure("unauthorized", "the model's key is not set");
    return api_key;
  };
}
