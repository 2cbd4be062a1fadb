import type { IncomingMessage } from "node:http";
import type { GitHost } from "../config/env.ts";
import type { Clock } from "../ports/clock.ts";
import type { GitCredentials } from "../ports/git-credentials.ts";
import type { GitHosts, Inspection, PushCredential } from "../ports/git-hosts.ts";
import { mintAccess } from "./git-access.ts";
import type { AppPermissions } from "./git-github-app.ts";
import { kindOf } from "./git-host-kind.ts";
import { type AddressesOf, checkedAddress, dial, systemAddresses, within } from "./guarded-dial.ts";
import { parseRefAdvertisement } from "./ref-advertisement.ts";
import { resolveRepository } from "./resolve-repository.ts";
import { systemClock } from "./system-clock.ts";

export interface HttpGitHostsOptions {
  hosts: GitHost[];
  /** The text of the git secret; asked for only where a push is signed. */
  secret: () => Promise<string>;
  /** The tenants' own. Default: none has any. */
  credentials?: GitCredentials;
  clock?: Pick<Clock, "now">;
  /** All addresses of a name. Default: this machine's resolver. */
  addressesOf?: AddressesOf;
  /** Default 3 s for the whole of an inspection, the resolver included. */
  deadlineMs?: number;
}

const maxBodyBytes = 1024 * 1024;

/** Git hosts over HTTP, of which only the configured ones are ever dialled. */
export function httpGitHosts(options: HttpGitHostsOptions): GitHosts {
  const { hosts, addressesOf = systemAddresses, clock = systemClock, deadlineMs = 3_000 } = options;
  const hostOf = (url: URL) => hosts.find((host) => new URL(host.origin).origin === url.origin);
  const access = { secret: options.secret, clock, credentials: options.credentials, addressesOf };

  async function mint(text: string, tenantId: string, permissions: AppPermissions): Promise<PushCredential | null> {
    const url = URL.canParse(text) ? new URL(text) : null;
    const host = url === null ? undefined : hostOf(url);
    if (url === null || host === undefined || !isPlain(url, host)) return null;
    return mintAccess(access, { host, url, tenantId, permissions });
  }
  const mintRead = (text: string, tenantId: string) => mint(text, tenantId, { contents: "read" });

  return {
    known(name) {
      const host = hosts.find((one) => one.name === name);
      if (host === undefined) return null;
      return { name, origin: host.origin, kind: kindOf(host), isBuiltIn: host.push === "signed" };
    },

    resolve: (repo) => resolveRepository(repo, hosts),

    async inspect(text, tenantId): Promise<Inspection> {
      const url = URL.canParse(text) ? new URL(text) : null;
      const host = url === null ? undefined : hostOf(url);
      if (url === null || host === undefined || !isPlain(url, host))
        return unreachable("not a repository of a configured git host");
      const deadline = AbortSignal.timeout(deadlineMs);
      try {
        const credential = tenantId === undefined ? null : await within(deadline, mintRead(text, tenantId));
        const address = await within(deadline, checkedAddress(url, host.allowPrivate, addressesOf));
        const answer = await ask(url, address, credential, deadline);
        if (answer !== "refused") return answer;
        // A public repository is found also by who has a credential that is over.
        if (tenantId !== undefined) await options.credentials?.refused(tenantId, host.name);
        const unsigned = await ask(url, address, null, deadline);
        return unsigned === "refused" ? { kind: "missing" } : unsigned;
      } catch (error) {
        if (deadline.aborted) return unreachable(`no answer within ${deadlineMs} ms`);
        return unreachable(error instanceof Error ? error.message : String(error));
      }
    },

    mintPush: (text, tenantId) => mint(text, tenantId, { contents: "write" }),
    mintRead,
  };
}

const unreachable = (message: string): Inspection => ({ kind: "unreachable", message });

function isPlain(url: URL, { allowPrivate }: GitHost): boolean {
  const isSecure = url.protocol === "https:" || (url.protocol === "http:" && allowPrivate);
  return (
    isSecure &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "" &&
    url.pathname.length > 1
  );
}

async function ask(
  url: URL,
  address: string,
  credential: PushCredential | null,
  signal: AbortSignal,
): Promise<Inspection | "refused"> {
  const response = await open(url, address, credential, signal);
  const status = response.statusCode ?? 0;
  if ([401, 403, 404, 410].includes(status)) {
    response.destroy();
    return credential !== null && (status === 401 || status === 403) ? "refused" : { kind: "missing" };
  }
  if (status !== 200) {
    response.destroy();
    return unreachable(
      status >= 300 && status < 400 ? "the host redirects, which is not followed" : `the host answered ${status}`,
    );
  }
  const facts = parseRefAdvertisement(await readCapped(response));
  return facts === null ? unreachable("the host did not answer as a git host") : { kind: "found", facts };
}

function open(
  url: URL,
  address: string,
  credential: PushCredential | null,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const target = new URL(`${url.pathname.replace(/\/$/, "")}/info/refs?service=git-upload-pack`, url.origin);
  const authorization: Record<string, string> =
    credential === null ? {} : { authorization: basicAuthorization(credential) };
  const headers = { accept: "*/*", "user-agent": "git/2 (ai-sandbox-platform)", ...authorization };
  return dial(target, address, { signal, headers });
}

function basicAuthorization({ username, password }: PushCredential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function readCapped(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new Error(`the host's answer is over ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
