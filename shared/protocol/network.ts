import * as z from "zod";

export const NetworkPolicy = z.enum(["none", "allowlist", "open"]);
export type NetworkPolicy = z.infer<typeof NetworkPolicy>;

/** A host as a URL has it: lower case, ASCII, no dot at its end, an address in its one usual form. */
export interface NetworkHost {
  host: string;
  /** Null: 80 and 443. */
  port: number | null;
}

const name = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const address = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;

/** Whether it is an IPv4 or bracketed IPv6 address, in the form that `readHost` gives. */
export function isAddress(host: string): boolean {
  return address.test(host);
}

/**
 * `host`, `host:port`, an address or `[IPv6]:port`. Null for anything else: a URL, a wildcard, a user, a path. Unusual
 * spellings come out as what they mean (`0x7f.1` is 127.0.0.1, `EXAMPLE.com.` is example.com), so that no rule misses one.
 */
export function readHost(text: string): NetworkHost | null {
  if (text.length > 300 || !/^[^\s/\\?#@%*]+$/u.test(text)) return null;
  const match = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (!match?.[1]) return null;
  const port = match[2] === undefined ? null : Number(match[2]);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  const written = match[1].replace(/\.$/, "");
  if (written === "") return null;
  let host: string;
  try {
    host = new URL(`http://${written}/`).hostname;
  } catch {
    return null;
  }
  return name.test(host) || address.test(host) ? { host, port } : null;
}

/** Schema of one entry of an allow-list. */
export const AllowedHost = z
  .string()
  .min(1)
  .max(300)
  .refine((text) => readHost(text) !== null, {
    message: "must be a host name or an address, with a port or without: no wildcard, no path",
  })
  .meta({ description: "A host name or an address, exactly; with `:port` that port, else 80 and 443" });
