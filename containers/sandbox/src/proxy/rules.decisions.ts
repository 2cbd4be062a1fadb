import { isAddress, type NetworkHost, type NetworkPolicy, readHost } from "../../../../shared/protocol/network.ts";

export interface NetworkRules {
  policy: NetworkPolicy;
  allow: readonly string[];
}

/** `tunnel`: CONNECT. `request`: plain HTTP, passed on one by one. */
export type Kind = "tunnel" | "request";

/** A host in its usual form, and the port that is meant. */
export interface Target {
  host: string;
  port: number;
}

export type Verdict =
  | {
      kind: "allowed";
      /** What a tunnel may carry: requests for this host, TLS for it, TLS for it or anything that is none, or anything. */
      content: "http" | "tls" | "tls_if_any" | "any";
    }
  | { kind: "refused"; reason: string };

/** Plain HTTP on 80 alone, TLS on 443 alone. */
const usual = (kind: Kind, port: number): "http" | "tls" | null => {
  if (port === 80) return "http";
  return port === 443 && kind === "tunnel" ? "tls" : null;
};

/** What was asked for, before any name is resolved. Exact: no entry stands for another host. */
export function judge({ policy, allow }: NetworkRules, { host, port }: Target, kind: Kind): Verdict {
  if (policy === "open") return { kind: "allowed", content: "any" };
  if (policy === "none") return { kind: "refused", reason: "network policy none: this sandbox has no network" };
  const entries = allow.map(readHost).filter((entry): entry is NetworkHost => entry?.host === host);
  if (entries.some((entry) => entry.port === port)) return { kind: "allowed", content: "tls_if_any" };
  const isUsual = entries.some((entry) => entry.port === null);
  const content = usual(kind, port);
  if (isUsual && content) return { kind: "allowed", content };
  const instead = isUsual
    ? `only https on 443 and http on 80 are allowed for ${host}`
    : "it is not in sbx_config.network.allow";
  return { kind: "refused", reason: `network policy allowlist: ${host}:${port}: ${instead}` };
}

/** Whether a tunnel's first message may go to its host. `serverName`: null where it names none. */
export function mayCarry(
  content: Extract<Verdict, { kind: "allowed" }>["content"],
  { host }: Target,
  hello: { isTls: boolean; serverName: string | null },
): boolean {
  if (content === "any") return true;
  if (!hello.isTls) return content === "tls_if_any";
  if (hello.serverName === null) return isAddress(host);
  return readHost(hello.serverName)?.host === host;
}

/** The target of `CONNECT host:port`; null for anything else. */
export function tunnelTarget(authority: string): Target | null {
  const read = readHost(authority);
  return read?.port ? { host: read.host, port: read.port } : null;
}

/** The target and the path of a request line with a whole URL; null for any other, and for any scheme but http. */
export function requestTarget(url: string): (Target & { path: string }) | null {
  const match = /^http:\/\/([^/?#]*)(.*)$/i.exec(url);
  const read = readHost(match?.[1] ?? "");
  if (!match || !read) return null;
  const rest = (match[2] ?? "").replace(/#.*$/, "");
  return { host: read.host, port: read.port ?? 80, path: rest.startsWith("/") ? rest : `/${rest}` };
}
