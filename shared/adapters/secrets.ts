import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import type { Clock } from "../ports/clock.ts";
import { ModelFailure } from "../ports/model.ts";
import type { RotatedSecret } from "./rotated-secret.ts";

const defaultTtlMs = 5 * 60_000;
/** How long a read may take, and how far two clocks may be apart. */
const marginMs = 60_000;

export interface SecretReader {
  /** The secret's string. `fresh` skips the cache, for a value that turned out to be old. */
  text(secretId: string, options?: { fresh?: boolean }): Promise<string>;
  /** The same, parsed. A mismatch is thrown without the value. */
  json<T extends z.ZodType>(secretId: string, schema: T, options?: { fresh?: boolean }): Promise<z.output<T>>;
  rotated(secretId: string): RotatedSecret;
}

interface Version {
  text: string;
  /** Milliseconds: when it was put. */
  since: number;
}

interface Cached {
  current: Promise<Version>;
  readAt: number;
  /** What was current before; null where nothing was. */
  previous?: Promise<Version | null>;
}

/** Reads Secrets Manager and keeps what it read for five minutes; readers at the same time share one request. */
export function secretReader(
  client: SecretsManagerClient,
  clock: Pick<Clock, "now">,
  ttlMs = defaultTtlMs,
): SecretReader {
  const cache = new Map<string, Cached>();

  function read(secretId: string): Cached {
    const entry: Cached = { current: fetchSecret(client, secretId), readAt: clock.now() };
    cache.set(secretId, entry);
    entry.current.catch(() => {
      if (cache.get(secretId) === entry) cache.delete(secretId);
    });
    return entry;
  }

  function known(secretId: string, { fresh = false } = {}): Cached {
    const cached = cache.get(secretId);
    const holds = cached !== undefined && clock.now() - cached.readAt < ttlMs;
    return holds && !fresh ? cached : read(secretId);
  }

  const text = async (secretId: string, options?: { fresh?: boolean }) => (await known(secretId, options).current).text;

  /** A text that is younger than what processes keep may still be unknown to one of them. */
  const isSettled = ({ since }: Version) => clock.now() - since > ttlMs + marginMs;

  return {
    text,
    async json(secretId, schema, options) {
      const parsed = schema.safeParse(parseJson(await text(secretId, options)));
      if (parsed.success) return parsed.data;
      throw new Error(`secret ${secretId} does not have the expected shape`);
    },
    rotated: (secretId) => ({
      async signing() {
        const entry = known(secretId);
        const current = await entry.current;
        const previous = isSettled(current) ? null : await previousOf(client, secretId, entry);
        return (previous ?? current).text;
      },
      async *candidates() {
        const entry = known(secretId);
        yield (await entry.current).text;
        const previous = await previousOf(client, secretId, entry);
        if (previous !== null) yield previous.text;
      },
    }),
  };
}

/** Goes with its entry: a new current text has another one before it. */
function previousOf(client: SecretsManagerClient, secretId: string, entry: Cached): Promise<Version | null> {
  entry.previous ??= fetchSecret(client, secretId, "AWSPREVIOUS").catch((error: unknown) => {
    if (error instanceof ResourceNotFoundException) return null;
    delete entry.previous;
    throw error;
  });
  return entry.previous;
}

async function fetchSecret(client: SecretsManagerClient, secretId: string, stage?: "AWSPREVIOUS"): Promise<Version> {
  const answer = await client.send(new GetSecretValueCommand({ SecretId: secretId, VersionStage: stage }));
  if (answer.SecretString === undefined) throw new Error(`secret ${secretId} holds no text`);
  return { text: answer.SecretString, since: answer.CreatedDate?.getTime() ?? 0 };
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
