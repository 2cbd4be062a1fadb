import { randomInt, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as z from "zod";
import type { AwsService } from "../contract.ts";
import type { DeployedSecret, SecretRecipe } from "../template/deployed-stack.ts";
import { answerDenied, answerError, answerJson } from "./answers.ts";

const StoredSecret = z.object({ value: z.string(), version: z.string(), created_at: z.number() });
const StoredSecrets = z.record(z.string(), StoredSecret);
type StoredSecret = z.output<typeof StoredSecret>;

export interface SecretsOptions {
  secrets: readonly DeployedSecret[];
  /** Kept over restarts, readable by its owner alone. */
  file: string;
  /** By construct id; held in memory only, never written to the file. */
  given: Record<string, string>;
  now: () => number;
}

const actions = ["GetSecretValue", "PutSecretValue", "DescribeSecret"] as const;
const Input = z.looseObject({ SecretId: z.string(), SecretString: z.string().optional() });

export interface Secrets {
  service: AwsService;
  /** The current value, by construct id. Throws where there is none. */
  valueOf(label: string): string;
}

/** Secrets Manager. Values are generated as the template asks at first start. */
export function createSecrets(options: SecretsOptions): Secrets {
  const values: Values = { stored: loadSecrets(options), given: givenSecrets(options) };
  return {
    service: serve(options, values),
    valueOf(label) {
      const name = options.secrets.find((secret) => secret.label === label)?.name ?? "";
      const found = values.given[name] ?? values.stored[name];
      if (found === undefined) throw new Error(`the template has no secret ${label} with a value`);
      return found.value;
    },
  };
}

interface Values {
  stored: Record<string, StoredSecret>;
  /** In memory only. */
  given: Record<string, StoredSecret>;
}

function serve(options: SecretsOptions, { stored, given }: Values): AwsService {
  return async (request, response, body, caller) => {
    const action = actions.find((each) => request.headers["x-amz-target"] === `secretsmanager.${each}`);
    if (action === undefined)
      return answerError(response, "secretsmanager", 400, "UnknownOperationException", "not on one machine");
    const input = Input.safeParse(JSON.parse(body.toString() || "{}"));
    if (!input.success)
      return answerError(response, "secretsmanager", 400, "InvalidParameterException", "SecretId is missing");
    const { SecretId: id, SecretString: text } = input.data;
    const secret = options.secrets.find((each) => each.arn === id || each.name === id);
    const arn = secret?.arn ?? id;
    if (!caller.allows(`secretsmanager:${action}`, arn))
      return answerDenied(response, "secretsmanager", `secretsmanager:${action}`, arn);
    const value = secret && (given[secret.name] ?? stored[secret.name]);
    if (secret === undefined || value === undefined) {
      return answerError(response, "secretsmanager", 400, "ResourceNotFoundException", `no secret ${id}`);
    }
    const about = { ARN: secret.arn, Name: secret.name, CreatedDate: value.created_at / 1000 };
    if (action === "GetSecretValue") {
      return answerJson(response, {
        ...about,
        SecretString: value.value,
        VersionId: value.version,
        VersionStages: ["AWSCURRENT"],
      });
    }
    if (action === "DescribeSecret")
      return answerJson(response, { ...about, VersionIdsToStages: { [value.version]: ["AWSCURRENT"] } });
    if (text === undefined)
      return answerError(response, "secretsmanager", 400, "InvalidParameterException", "SecretString is missing");
    const next = { value: text, version: randomUUID(), created_at: options.now() };
    if (secret.name in given) given[secret.name] = next;
    else {
      stored[secret.name] = next;
      save(options.file, stored);
    }
    return answerJson(response, {
      ARN: secret.arn,
      Name: secret.name,
      VersionId: next.version,
      VersionStages: ["AWSCURRENT"],
    });
  };
}

function givenSecrets(options: SecretsOptions): Record<string, StoredSecret> {
  const entries = options.secrets.flatMap((secret) => {
    const value = options.given[secret.label];
    return value === undefined
      ? []
      : [[secret.name, { value, version: randomUUID(), created_at: options.now() }] as const];
  });
  return Object.fromEntries(entries);
}

function loadSecrets(options: SecretsOptions): Record<string, StoredSecret> {
  const stored = readStored(options.file);
  const missing = options.secrets.filter((secret) => !(secret.name in stored));
  for (const secret of missing) {
    const value = secret.value ?? (secret.generate === null ? null : generateSecret(secret.generate));
    if (value !== null) stored[secret.name] = { value, version: randomUUID(), created_at: options.now() };
  }
  if (missing.length > 0) save(options.file, stored);
  return stored;
}

function readStored(file: string): Record<string, StoredSecret> {
  if (!existsSync(file)) return {};
  try {
    return StoredSecrets.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Error(`${file} is damaged; move it away to generate new secrets`, { cause: error });
  }
}

function save(file: string, secrets: Record<string, StoredSecret>): void {
  mkdirSync(dirname(file), { recursive: true });
  const next = `${file}.next`;
  writeFileSync(next, JSON.stringify(secrets), { mode: 0o600 });
  renameSync(next, file);
}

const lowercase = "abcdefghijklmnopqrstuvwxyz";
const numbers = "0123456789";
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/** A value as Secrets Manager's GenerateSecretString makes it. */
export function generateSecret(recipe: SecretRecipe): string {
  const classes = [
    recipe.excludeLowercase ? "" : lowercase,
    recipe.excludeUppercase ? "" : lowercase.toUpperCase(),
    recipe.excludeNumbers ? "" : numbers,
    recipe.excludePunctuation ? "" : punctuation,
    recipe.includeSpace ? " " : "",
  ];
  const alphabet = [...classes.join("")].filter((char) => !recipe.excludeCharacters.includes(char));
  if (alphabet.length === 0) throw new Error("the template's GenerateSecretString excludes every character");
  const value = Array.from({ length: recipe.length }, () => alphabet[randomInt(alphabet.length)]).join("");
  if (recipe.template === null || recipe.key === null) return value;
  return JSON.stringify({ ...(JSON.parse(recipe.template) as object), [recipe.key]: value });
}
