import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { readHello } from "./client-hello.ts";
import { mayCarry, type Target, type Verdict } from "./rules.decisions.ts";

const helloTimeoutMs = 15_000;
/** Nothing in either direction for this long. */
const idleMs = 15 * 60_000;

type Content = Extract<Verdict, { kind: "allowed" }>["content"];

interface Ends {
  client: Duplex;
  upstream: Duplex;
}

/** Passes bytes on; what the client says only once its first message is one that the tunnel may carry. */
export function openTunnel(ends: Ends, head: Buffer, content: Content, target: Target): void {
  const { client, upstream } = ends;
  bind(client, upstream);
  bind(upstream, client);
  upstream.pipe(client);
  const join = (first: Buffer): void => {
    if (first.length > 0) upstream.write(first);
    client.pipe(upstream);
  };
  if (content === "any") return join(head);
  gate(client, head, content, target, join);
}

function bind(side: Duplex, other: Duplex): void {
  side.on("close", () => other.destroy());
  side.on("error", () => other.destroy());
  if (side instanceof Socket) side.setTimeout(idleMs, () => side.destroy());
}

function gate(client: Duplex, head: Buffer, content: Content, target: Target, join: (first: Buffer) => void): void {
  // On a port of its own the server may be the one that speaks first.
  const late = content === "tls" ? setTimeout(() => client.destroy(), helloTimeoutMs) : undefined;
  client.once("close", () => clearTimeout(late));
  let seen = head;
  const look = (): void => {
    const hello = readHello(seen);
    if (hello.kind === "incomplete") return;
    clearTimeout(late);
    client.off("data", onData).pause();
    const said = { isTls: hello.kind === "tls", serverName: hello.kind === "tls" ? hello.serverName : null };
    if (hello.kind !== "unreadable" && mayCarry(content, target, said)) join(seen);
    else client.destroy();
  };
  const onData = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    look();
  };
  client.on("data", onData);
  look();
}
