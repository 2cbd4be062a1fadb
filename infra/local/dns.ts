import { localAccount } from "./contract.ts";

/** Where the names that the template resolves to really are on this machine. */
export interface LocalAddresses {
  /** By API id: what stands for `https://{id}.execute-api...`, without the stage. */
  httpApis: Record<string, string>;
  /** By API id: host and port, for both `wss://` and the `https://` of `@connections`. */
  webSocketApis: Record<string, string>;
  awsEndpoint: string;
  /** The stage's own default ports and the ones in their place: `{ 4104: 40123 }`. */
  ports: Record<number, number>;
}

const { region, urlSuffix } = localAccount;
const suffix = `${region}\\.${urlSuffix.replaceAll(".", "\\.")}`;
const apiUrl = new RegExp(`(https|wss)://([a-z0-9]+)\\.execute-api\\.${suffix}`, "g");
const serviceUrl = new RegExp(`https://[a-z0-9]+\\.${suffix}`, "g");
const loopback = /\b(127\.0\.0\.1|localhost):(\d+)\b/g;

/** The "DNS" of one machine: puts local addresses for AWS's in any text. Throws for an API that it does not know. */
export function localise(text: string, addresses: LocalAddresses): string {
  return text
    .replace(loopback, (_whole, host: string, port: string) => `${host}:${addresses.ports[Number(port)] ?? port}`)
    .replace(apiUrl, (whole, scheme: string, apiId: string) => {
      const socket = addresses.webSocketApis[apiId];
      if (socket !== undefined) return `${scheme === "wss" ? "ws" : "http"}://${socket}`;
      const http = addresses.httpApis[apiId];
      if (http === undefined) throw new Error(`${whole} is no API of this template`);
      return http;
    })
    .replace(serviceUrl, addresses.awsEndpoint);
}

/** The same for every text inside a value. */
export function localiseAll<T>(value: T, addresses: LocalAddresses): T {
  if (typeof value === "string") return localise(value, addresses) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => localiseAll(item, addresses)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, localiseAll(item as unknown, addresses)]),
  ) as T;
}
