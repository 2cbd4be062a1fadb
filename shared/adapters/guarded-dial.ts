import { lookup } from "node:dns/promises";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { mayReach } from "./public-address.ts";

/** All addresses of a name. */
export type AddressesOf = (hostname: string) => Promise<string[]>;

export const systemAddresses: AddressesOf = async (hostname) =>
  (await lookup(hostname, { all: true, verbatim: true })).map(({ address }) => address);

/** The host, or one of its addresses, is none that may be called. */
export class AddressRefused extends Error {
  constructor(hostname: string) {
    super(`${hostname} is not on the public internet`);
    this.name = "AddressRefused";
  }
}

/** Resolves once and checks every answer: the address that is checked here is the one to dial. Throws `AddressRefused`. */
export async function checkedAddress(url: URL, allowPrivate: boolean, addressesOf: AddressesOf): Promise<string> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(hostname) === 0 ? await addressesOf(hostname) : [hostname];
  if (addresses.some((address) => !mayReach(address, allowPrivate))) throw new AddressRefused(hostname);
  const chosen = addresses.find((address) => isIP(address) === 4) ?? addresses[0];
  if (chosen === undefined) throw new Error(`${hostname} has no address`);
  return chosen;
}

/** One request to that address and no other, over a connection of its own. Node follows no redirect by itself. */
export function dial(
  url: URL,
  address: string,
  options: Pick<RequestOptions, "method" | "headers"> & { signal: AbortSignal; body?: string },
): Promise<IncomingMessage> {
  const { body, ...rest } = options;
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const pinned: LookupFunction = (_hostname, { all }, callback) => {
    const family = isIP(address);
    if (all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
  return new Promise((resolve, reject) => {
    const request = send(url, { ...rest, agent: false, lookup: pinned });
    request.on("response", resolve);
    request.on("error", reject);
    request.end(body);
  });
}

/** A resolver cannot be cancelled: past the deadline nobody waits for it. */
export function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("too late")), { once: true });
    }),
  ]);
}
