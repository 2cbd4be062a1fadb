import type { IncomingMessage } from "node:http";
import type { GitHost } from "../config/env.ts";
import { pushTokenKey, pushUsername, repositoryOf, signPushToken } from "../git-push-token.ts";
import type { Clock } from "../ports/clock.ts";
import type { GitHosts, Inspection } from "../ports/git-hosts.ts";
import { type AddressesOf, checkedAddress, dial, systemAddresses, within } from "./guarded-dial.ts";
import { parseRefAdvertisement } from "./ref-advertisement.ts";
import { resolveRepository } from "./resolve-repository.ts";
import { systemClock } from "./system-clock.ts";

export interface HttpGitHostsOptions {
  hosts: GitHost[];
  /** The text of the git secret; asked for only where a push is signed. */
  secret: () => Promise<string>;
  clock?: Pick<Clock, "now">;
  /** All addresses of a name. Default: this machine's resolver. */
  addressesOf?: AddressesOf;
  /** Default 3 s for the whole of an inspection, the resolver included. */
  deadlineMs?: number;
}

const maxBodyBytes = 1024 * 1024;
const pushForMs = 3_600_000;

/** Git hosts over HTTP, of which only the configured ones are ever dialled. */
export function httpGitHosts(options: HttpGitHostsOptions): GitHosts {
  const { hosts, addressesOf = systemAddresses, clock = systemClock, deadlineMs = 3_000 } = options;
  const hostOf = (url: URL) => hosts.find((host) => new URL(host.origin).origin === url.origin);

  return {
    resolve: (repo) => resolveRepository(repo, hosts),

    async inspect(text): Promise<Inspection> {
      const url = URL.canParse(text) ? new URL(text) : null;
      const host = url === null ? undefined : hostOf(url);
      if (url === null || host === undefined || !isPlain(url, host))
        return unreachable("not a repository of a configured git host");
      const deadline = AbortSignal.timeout(deadlineMs);
      try {
        const address = await within(deadline, checkedAddress(url, host.allowPrivate, addressesOf));
        return await ask(url, address, deadline);
      } catch (error) {
        if (deadline.aborted) return unreachable(`no answer within ${deadlineMs} ms`);
        return unreachable(error instanceof Error ? error.message : String(error));
      }
    },

    async mintPush(text) {
      const url = URL.canParse(text) ? new URL(text) : null;
      const repository = url === null ? null : repositoryOf(url);
      if (url === null || repository === null || hostOf(url)?.push !== "signed") return null;
      const key = pushTokenKey(await options.secret());
      const expiresAtMs = clock.now() + pushForMs;
      return { username: pushUsername, password: signPushToken(key, { repository, expiresAtMs }) };
    },
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

async function ask(url: URL, address: string, signal: AbortSignal): Promise<Inspection> {
  const response = await open(url, address, signal);
  const status = response.statusCode ?? 0;
  if ([401, 403, 404, 410].includes(status)) {
    response.destroy();
    return { kind: "missing" };
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

function open(url: URL, address: string, signal: AbortSignal): Promise<IncomingMessage> {
  const target = new URL(`${url.pathname.replace(/\/$/, "")}/info/refs?service=git-upload-pack`, url.origin);
  return dial(target, address, { signal, headers: { accept: "*/*", "user-agent": "git/2 (ai-sandbox-platform)" } });
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
