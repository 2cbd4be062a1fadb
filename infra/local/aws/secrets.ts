import { createHash, randomInt, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { dirname } from "node:path";
import * as z from "zod";
import type { AwsService } from "../contract.ts";
import type { DeployedSecret, SecretRecipe } from "../template/deployed-stack.ts";
import { answerDenied, answerError, answerJson } from "./answers.ts";
import {
  findVersion,
  firstVersion,
  labelledValues,
  type SecretVersion,
  stagesById,
  StoredVersions,
  withVersion,
} from "./secret-versions.ts";

const StoredSecrets = z.record(z.string(), StoredVersions);
type Versions = Record<string, SecretVersion[]>;

export interface SecretsOptions {
  secrets: readonly DeployedSecret[];
  /** Kept over restarts, readable by its owner alone. */
  file: string;
  /** By construct id; held in memory only, never written to the file. */
  given: Record<string, string>;
  now: () => number;
}

const actions = ["CreateSecret", "GetSecretValue", "PutSecretValue", "DescribeSecret"] as const;
const Input = z.looseObject({
  SecretId: z.string().default(""),
  Name: z
    .string()
    .regex(/^[\w/+=.@-]{1,512}$/)
    .optional(),
  SecretString: z.string().optional(),
  VersionId: z.string().optional(),
  VersionStage: z.string().optional(),
  VersionStages: z.array(z.string()).min(1).default(["AWSCURRENT"]),
  ClientRequestToken: z.string().min(32).max(64).optional(),
});
type Input = z.output<typeof Input>;

export interface Secrets {
  service: AwsService;
  /** The current value, by construct id, then the one before it. Throws where there is none. */
  valuesOf(label: string): string[];
}

/** Secrets Manager. Values are generated as the template asks at first start. */
export function createSecrets(options: SecretsOptions): Secrets {
  const values: Values = { stored: loadSecrets(options), given: givenSecrets(options) };
  return {
    service: serve(options, values),
    valuesOf(label) {
      const name = options.secrets.find((secret) => secret.label === label)?.name ?? "";
      const found = versionsOf(values, name);
      if (found === undefined) throw new Error(`the template has no secret ${label} with a value`);
      return labelledValues(found);
    },
  };
}

interface Values {
  stored: Versions;
  /** In memory only. */
  given: Versions;
}

const versionsOf = ({ given, stored }: Values, name: string) => given[name] ?? stored[name];

const refuse = (response: ServerResponse, code: string, message: string) =>
  answerError(response, "secretsmanager", 400, code, message);

type Found = Pick<DeployedSecret, "arn" | "name">;

/** Of a secret that no template made: like AWS's, with six characters that nobody can guess from the name alone. */
function arnOfMade(options: SecretsOptions, name: string): string {
  const [known] = options.secrets;
  const prefix = (known?.arn ?? "arn:aws:secretsmanager:us-east-1:000000000000:secret:")
    .split(":")
    .slice(0, 6)
    .join(":");
  return `${prefix}:${name}-${createHash("sha256").update(name).digest("hex").slice(0, 6)}`;
}

function findSecret(options: SecretsOptions, values: Values, id: string): Found | undefined {
  const deployed = options.secrets.find((each) => each.arn === id || each.name === id);
  if (deployed) return deployed;
  const name = Object.keys(values.stored).find((each) => each === id || arnOfMade(options, each) === id);
  return name === undefined ? undefined : { name, arn: arnOfMade(options, name) };
}

function createSecret(
  response: ServerResponse,
  { Name: name, SecretString: value, ClientRequestToken: id = randomUUID() }: Input,
  options: SecretsOptions,
  values: Values,
): void {
  if (name === undefined || value === undefined)
    return refuse(response, "InvalidParameterException", "Name or SecretString is missing");
  if (findSecret(options, values, name))
    return refuse(
      response,
      "ResourceExistsException",
      `The operation failed because the secret ${name} already exists.`,
    );
  values.stored[name] = firstVersion(id, value, options.now());
  save(options.file, values.stored);
  answerJson(response, { ARN: arnOfMade(options, name), Name: name, VersionId: id });
}

function serve(options: SecretsOptions, values: Values): AwsService {
  return async (request, response, body, caller) => {
    const action = actions.find((each) => request.headers["x-amz-target"] === `secretsmanager.${each}`);
    if (action === undefined) return refuse(response, "UnknownOperationException", "not on one machine");
    const input = Input.safeParse(JSON.parse(body.toString() || "{}"));
    if (!input.success) return refuse(response, "InvalidParameterException", z.prettifyError(input.error));
    const id = action === "CreateSecret" ? (input.data.Name ?? "") : input.data.SecretId;
    const secret = findSecret(options, values, id);
    const arn = secret?.arn ?? (id.startsWith("arn:") ? id : arnOfMade(options, id));
    if (!caller.allows(`secretsmanager:${action}`, arn))
      return answerDenied(response, "secretsmanager", `secretsmanager:${action}`, arn);
    if (action === "CreateSecret") return createSecret(response, input.data, options, values);
    const versions = secret && versionsOf(values, secret.name);
    if (secret === undefined || versions === undefined)
      return refuse(response, "ResourceNotFoundException", `no secret ${id}`);
    if (action === "GetSecretValue") return answerValue(response, secret, versions, input.data);
    if (action === "PutSecretValue") return putValue(response, secret, input.data, options, values);
    const CreatedDate = (versions[0]?.created_at ?? 0) / 1000;
    const about = { ARN: secret.arn, Name: secret.name, CreatedDate };
    return answerJson(response, { ...about, VersionIdsToStages: stagesById(versions) });
  };
}

function answerValue(response: ServerResponse, secret: Found, versions: SecretVersion[], input: Input): void {
  const found = findVersion(versions, input);
  if (found.kind === "mismatch") {
    const message = "You provided a VersionStage that is not associated to the provided VersionId.";
    return refuse(response, "InvalidRequestException", message);
  }
  if (found.kind === "missing") {
    const message = `Secrets Manager can't find the specified secret value for ${found.what}`;
    return refuse(response, "ResourceNotFoundException", message);
  }
  const { id, value, stages, created_at } = found.version;
  answerJson(response, {
    ARN: secret.arn,
    Name: secret.name,
    SecretString: value,
    VersionId: id,
    VersionStages: stages,
    CreatedDate: created_at / 1000,
  });
}

function putValue(
  response: ServerResponse,
  secret: Found,
  input: Input,
  options: SecretsOptions,
  values: Values,
): void {
  const { SecretString: value, VersionStages: stages, ClientRequestToken: id = randomUUID() } = input;
  if (value === undefined) return refuse(response, "InvalidParameterException", "SecretString is missing");
  const added = { id, value, stages, created_at: options.now() };
  const versions = withVersion(versionsOf(values, secret.name) ?? [], added);
  if (versions === null) {
    const message = `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${secret.arn}.`;
    return refuse(response, "ResourceExistsException", message);
  }
  if (secret.name in values.given) values.given[secret.name] = versions;
  else {
    values.stored[secret.name] = versions;
    save(options.file, values.stored);
  }
  const VersionStages = versions.find((version) => version.id === id)?.stages;
  answerJson(response, { ARN: secret.arn, Name: secret.name, VersionId: id, VersionStages });
}

function givenSecrets(options: SecretsOptions): Versions {
  const entries = options.secrets.flatMap((secret) => {
    const value = options.given[secret.label];
    return value === undefined ? [] : [[secret.name, firstVersion(randomUUID(), value, options.now())] as const];
  });
  return Object.fromEntries(entries);
}

function loadSecrets(options: SecretsOptions): Versions {
  const stored = readStored(options.file);
  const missing = options.secrets.filter((secret) => !(secret.name in stored));
  for (const secret of missing) {
    const value = secret.value ?? (secret.generate === null ? null : generateSecret(secret.generate));
    if (value !== null) stored[secret.name] = firstVersion(randomUUID(), value, options.now());
  }
  if (missing.length > 0) save(options.file, stored);
  return stored;
}

function readStored(file: string): Versions {
  if (!existsSync(file)) return {};
  try {
    return StoredSecrets.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Error(`${file} is damaged; move it away to generate new secrets`, { cause: error });
  }
}

function save(file: string, secrets: Versions): void {
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
