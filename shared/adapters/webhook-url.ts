import { isIP } from "node:net";
import { mayReach } from "./public-address.ts";

/** Names that mean this machine or an inner network wherever they are resolved. */
const innerNames = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|home\.arpa)$/;
const firstFreePort = 1024;

/**
 * The URL in its one normal form, or why it may not be called. `https` on 443 or a port from 1024 on, without user
 * information or fragment, at a name with a dot or at an address of the public internet; where private hosts are allowed
 * also `http`, inner names and the machine's own networks. What the name resolves to is checked with each call.
 */
export function parseWebhookUrl(text: string, allowPrivate: boolean): { url: URL } | { reason: string } {
  if (!URL.canParse(text)) return { reason: "is no URL" };
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) return { reason: "must be https" };
  if (url.username !== "" || url.password !== "") return { reason: "may not carry user information" };
  if (url.hash !== "") return { reason: "may not carry a fragment" };
  const port = Number(url.port);
  if (port !== 0 && port < firstFreePort && !allowPrivate) return { reason: "has a port that may not be called" };
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (isIP(host) !== 0) return mayReach(host, allowPrivate) ? { url } : { reason: "is not on the public internet" };
  if (allowPrivate) return { url };
  if (!host.includes(".") || innerNames.test(host)) return { reason: "is not on the public internet" };
  return { url };
}
