import type { Headers } from "../../protocol/relay.ts";

/** Of the platform, or of one hop (RFC 9110, 7.6.1): the app never sees them. */
const hiddenFromApp = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "host",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "expect",
  "forwarded",
]);

/** Of one hop, or a word about more than the one origin that the app has. */
const hiddenFromBrowser = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "te",
  "trailer",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "strict-transport-security",
  "public-key-pins",
  "alt-svc",
  "nel",
  "report-to",
  "clear-site-data",
]);

/** The platform's own, between its hops. */
const isInternal = (name: string) => name.startsWith("x-sandbox-");

const hostCookie = "__Host-sandbox_preview";
const plainCookie = "sandbox_preview";

/** With https the browser itself holds the name to this host: no other preview can set it. */
export function cookieNameFor(previewOrigin: string): string {
  return previewOrigin.startsWith("https:") ? hostCookie : plainCookie;
}

const nameOf = (cookie: string) => cookie.split("=", 1)[0]?.trim() ?? "";
const isCapability = (name: string) => name === hostCookie || name === plainCookie;

export function cookiesOf(headers: Headers): string[] {
  const lines = headers.filter(([name]) => name.toLowerCase() === "cookie").map(([, value]) => value);
  return lines.flatMap((line) => line.split(";")).flatMap((cookie) => cookie.trim() || []);
}

/** Everything that may be this host's capability: a neighbour may have set another of the same name. */
export function capabilitiesOf(headers: Headers, previewOrigin: string): string[] {
  const wanted = cookieNameFor(previewOrigin);
  const found = cookiesOf(headers).filter((cookie) => nameOf(cookie) === wanted);
  return found.slice(0, 4).map((cookie) => cookie.slice(cookie.indexOf("=") + 1).trim());
}

/** The app knows itself as localhost, with no proxy before it: servers that compare `Origin` with `Host` must find them the same. */
const isOfProxies = (name: string) => name.startsWith("x-forwarded-") || name.startsWith("x-amzn-");
const localOrigin = (port: number) => `http://localhost:${port}`;

type App = { sessionId: string; port: number };
/** What a host name asks for; null where it is no preview's. */
type AppAt = (host: string) => App | null;

function appOf(origin: string, appAt: AppAt): App | null {
  return URL.canParse(origin) ? appAt(new URL(origin).host) : null;
}

/** What of a browser's request reaches the app. */
export function requestHeaders(headers: Headers, app: App, appAt: AppAt): Headers {
  const kept = headers
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name]) => !hiddenFromApp.has(name) && !isInternal(name) && !isOfProxies(name))
    .map(([name, value]): [string, string] =>
      name === "origin" ? [name, localOrigin(appOf(value, appAt)?.port ?? app.port)] : [name, value],
    );
  const cookies = cookiesOf(headers).filter((cookie) => !isCapability(nameOf(cookie)));
  if (cookies.length > 0) kept.push(["cookie", cookies.join("; ")]);
  return [...kept, ["host", `localhost:${app.port}`]];
}

/** A cookie of one preview is for its own host: with a domain it would reach the others. Null for one in our own name. */
export function narrowCookie(cookie: string): string | null {
  const [pair = "", ...attributes] = cookie.split(";");
  if (isCapability(nameOf(pair))) return null;
  const kept = attributes.filter((attribute) => !/^\s*domain\s*(=|$)/i.test(attribute));
  return [pair, ...kept].join(";");
}

/** An app that redirects to itself names localhost. */
function withoutLocalOrigin(location: string, port: number): string {
  const origin = [localOrigin(port), `https://localhost:${port}`].find((each) => `${location}/`.startsWith(`${each}/`));
  return origin === undefined ? location : location.slice(origin.length).replace(/^\/*/, "/");
}

/** What of the app's answer reaches the browser. */
export function answerHeaders(headers: Headers, port: number): Headers {
  return headers.flatMap(([name, value]): Headers => {
    const lower = name.toLowerCase();
    if (hiddenFromBrowser.has(lower) || isInternal(lower)) return [];
    if (lower === "location") return [[lower, withoutLocalOrigin(value, port)]];
    if (lower !== "set-cookie") return [[lower, value]];
    const cookie = narrowCookie(value);
    return cookie === null ? [] : [[lower, cookie]];
  });
}

/** Paths of the platform, however they are spelled. */
export function isReserved(path: string): boolean {
  const [bare = ""] = path.split(/[?#]/, 1);
  const decoded = bare.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const segments = decoded.split(/[\\/]+/).filter((segment) => segment !== "" && segment !== ".");
  return segments.some((segment) => segment.toLowerCase() === ".sandbox");
}

/** Not a page of this session's previews: others have no business with it (CSRF, WebSocket hijacking). */
export function isForeignOrigin(headers: Headers, sessionId: string, appAt: AppAt): boolean {
  const origin = headers.find(([name]) => name.toLowerCase() === "origin")?.[1];
  return origin !== undefined && appOf(origin, appAt)?.sessionId !== sessionId;
}
