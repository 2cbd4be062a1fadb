import { createPrivateKey } from "node:crypto";
import { SignJWT } from "jose";
import * as z from "zod";
import type { Clock } from "../ports/clock.ts";
import type { KeptCredential } from "../ports/git-credentials.ts";
import { askApi, type ApiAnswer, type ApiDial } from "./git-api.ts";

/** The host does not take the credential. */
export class CredentialRefused extends Error {
  constructor(status: number) {
    super(`the git host refused the credential (${status})`);
    this.name = "CredentialRefused";
  }
}

export type AppCredential = Extract<KeptCredential, { kind: "github_app" }>;
export type AppPermissions = Record<string, "read" | "write">;

interface AppRequest {
  /** The API's address. */
  api: string;
  /** `owner/name` */
  repository: string;
  permissions: AppPermissions;
}

/** GitHub takes at most ten minutes, and clocks differ. */
const jwtSeconds = 540;
const skewSeconds = 60;

const Installation = z.object({ id: z.number().int() });
const InstallationToken = z.object({ token: z.string().min(1) });

export const githubHeaders = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" };

async function appToken({ app_id, private_key }: AppCredential, clock: Pick<Clock, "now">): Promise<string> {
  const now = Math.floor(clock.now() / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: "RS256", typ: "JWT" })
    .setIssuer(app_id)
    .setIssuedAt(now - skewSeconds)
    .setExpirationTime(now + jwtSeconds)
    .sign(createPrivateKey(private_key));
}

/** 401: the key is none of the app's. 403: suspended. 404: not installed there. 422: without this repository or right. */
function check({ status }: ApiAnswer): void {
  if ([401, 403, 404, 422].includes(status)) throw new CredentialRefused(status);
  if (status >= 300) throw new Error(`the git host's API answered ${status}`);
}

/** A token of at most an hour, for one repository and these permissions. Throws `CredentialRefused`. */
export async function installationToken(
  credential: AppCredential,
  { api, repository, permissions }: AppRequest,
  clock: Pick<Clock, "now">,
  through: ApiDial,
): Promise<string> {
  const authorization = `Bearer ${await appToken(credential, clock)}`;
  const ask = async (method: "GET" | "POST", path: string, body?: unknown) => {
    const answer = await askApi(
      { method, url: new URL(`${api}${path}`), authorization, headers: githubHeaders, body },
      through,
    );
    check(answer);
    return answer.json;
  };
  const name = repository.split("/")[1] ?? "";
  const installation =
    credential.installation_id ?? String(Installation.parse(await ask("GET", `/repos/${repository}/installation`)).id);
  const wanted = { repositories: [name], permissions };
  return InstallationToken.parse(await ask("POST", `/app/installations/${installation}/access_tokens`, wanted)).token;
}
