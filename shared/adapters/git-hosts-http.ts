import { lookup } from "node:dns/promises";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import type { GitHost } from "../config/env.ts";
import { pushTokenKey, pushUsername, repositoryOf, signPushToken } from "../git-push-token.ts";
import type { Clock } from "../ports/clock.ts";
import type { GitHosts, Inspection } from "../ports/git-hosts.ts";
import { isPublicAddress } from "./public-address.ts";
import { parseRefAdvertisement } from "./ref-advertisement.ts";
import { resolveRepository } from "./resolve-repository.ts";
import { systemClock } from "./system-clock.ts";

export interface HttpGitHostsOptions {
  hosts: GitHost[];
  /** The text of the git secret; asked for only where a push is signed. */
  secret: () => Promise<string>;
  clock?: Pick<Clock, "now">;
  /** All addresses of a name. Default: this machine's resolver. */
  addressesOf?: (hostname: string) => Promise<string[]>;
  /** Default 3 s for the whole of an inspection, the resolver included. */
  deadlineMs?: number;
}

const maxBodyBytes = 1024 * 1024;
const pushForMs = 3_600_000;

const systemAddresses = async (hostname: string) =>
  (await lookup(hostname, { all: true, verbatim: true })).map(({ address }) => address);

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
        const address = await within(deadline, addressOf(url, host, addressesOf));
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

/** Resolves once and checks every answer: the address that is checked here is the one that is dialled. */
async function addressOf(
  url: URL,
  { allowPrivate }: GitHost,
  addressesOf: (hostname: string) => Promise<string[]>,
): Promise<string> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(hostname) === 0 ? await addressesOf(hostname) : [hostname];
  const forbidden = allowPrivate ? undefined : addresses.find((address) => !isPublicAddress(address));
  if (forbidden !== undefined) throw new Error(`${hostname} is not on the public internet`);
  const chosen = addresses.find((address) => isIP(address) === 4) ?? addresses[0];
  if (chosen === undefined) throw new Error(`${hostname} has no address`);
  return chosen;
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

/** Node follows no redirect by itself, and every connection here is new. */
function open(url: URL, address: string, signal: AbortSignal): Promise<IncomingMessage> {
  const target = new URL(`${url.pathname.replace(/\/$/, "")}/info/refs?service=git-upload-pack`, url.origin);
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const request = send(target, {
      agent: false,
      signal,
      headers: { accept: "*/*", "user-agent": "git/2 (ai-sandbox-platform)" },
      lookup: (_hostname, { all }, callback) => {
        const family = isIP(address);
        if (all) callback(null, [{ address, family }]);
        else callback(null, address, family);
      },
    });
    request.on("response", resolve);
    request.on("error", reject);
    request.end();
  });
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

/** A resolver cannot be cancelled: past the deadline nobody waits for it. */
function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("too late")), { once: true });
    }),
  ]);
}
