import type { SecretFinding } from "../../../../../shared/protocol/server-event.ts";
import { isBinary } from "../../../../../shared/git/blob-bundle.ts";
import type { FileDifference } from "./snapshot.ts";

/** Examples of how to fill one in are no secrets. */
const exampleName = /(^|[._-])(example|sample|template|dist|defaults?|test|ci)$/i;
const envName = /^\.env(\..+)?$/i;
const keyNames = [/^id_(rsa|dsa|ecdsa|ed25519)$/i, /\.(p12|pfx|jks|keystore)$/i];

const contentRules: readonly [rule: string, pattern: RegExp][] = [
  ["private_key", /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/],
  ["aws_access_key", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["github_token", /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})/],
  ["gitlab_token", /\bglpat-[A-Za-z0-9_-]{20,}/],
  ["anthropic_key", /\bsk-ant-[A-Za-z0-9_-]{20,}/],
  ["openai_key", /\bsk-(?=[A-Za-z_-]{0,64}\d)(?:proj-)?[A-Za-z0-9_-]{32,}/],
  ["slack_token", /\bxox[abprs]-[A-Za-z0-9-]{10,}/],
  ["stripe_key", /\b[rs]k_live_[A-Za-z0-9]{16,}/],
  ["google_api_key", /\bAIza[A-Za-z0-9_-]{35}\b/],
  ["npm_token", /\bnpm_[A-Za-z0-9]{36}\b/],
];

const maxScannedBytes = 1024 * 1024;
const maxFindings = 20;
const maxPathLength = 300;

function ruleOfName(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (envName.test(name)) return exampleName.test(name) ? null : "env_file";
  return keyNames.some((pattern) => pattern.test(name)) ? "key_file" : null;
}

/** The rule that a file's name or content meets; null for one that looks harmless. */
export function secretRuleOf(path: string, body: Buffer): string | null {
  if (body.length === 0) return null;
  const named = ruleOfName(path);
  if (named || isBinary(body)) return named;
  const text = body.toString("latin1");
  return contentRules.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
}

/** What looks like a secret among new and changed files: where, and by which rule. */
export async function secretsAmong(
  differences: FileDifference[],
  read: (oid: string) => Promise<Buffer>,
): Promise<SecretFinding[]> {
  const found: SecretFinding[] = [];
  for (const { path, before, after } of differences) {
    if (found.length === maxFindings) break;
    if (!after || after.oid === before?.oid || after.mode === "120000" || after.sizeBytes > maxScannedBytes) continue;
    const rule = secretRuleOf(path, await read(after.oid));
    if (rule) found.push({ path: path.slice(0, maxPathLength), rule });
  }
  return found;
}
