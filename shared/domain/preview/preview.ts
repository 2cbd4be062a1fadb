import type { Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { PreviewAdmission, PreviewCapabilities, PreviewTarget } from "../../ports/capabilities.ts";
import type { Clock } from "../../ports/clock.ts";
import { type OpenPreviewAnswer, type PreviewList, previewPorts } from "../../protocol/preview.ts";
import type * as z from "zod";
import type { Actor } from "../../ports/tokens.ts";
import { latestContainer } from "../container/container.ts";
import { type DoorDeps, openDoor } from "../container/want.ts";
import { isUsable } from "../container/want.decisions.ts";
import { findSessionRow } from "../session/session-row.ts";
import type { SessionKey } from "../timeline/row.ts";
import { spendTicket } from "./spent-ticket.ts";
import { holderOf, isInGoodStanding } from "./standing.ts";

export interface PreviewDeps {
  table: Table;
  clock: Pick<Clock, "now">;
  capabilities: PreviewCapabilities;
  /** Scheme, host and port; empty where the stage has no preview domain. */
  previewOrigin: string;
}

const ticketMs = 60_000;
const cookieMs = 12 * 3600_000;

/** Where a preview's ticket is posted to; no app can have this path. */
export const openPath = "/.sandbox/open";

/** Each app has an origin of its own: `<session>--<port>.` in front of the preview domain. */
export function originOf(previewOrigin: string, target: Pick<PreviewTarget, "sessionId" | "port">): string {
  const url = new URL(previewOrigin);
  return `${url.protocol}//${target.sessionId}--${target.port}.${url.host}`;
}

/** What a host name asks for; null where it is no preview's. */
export function targetOf(host: string): Pick<PreviewTarget, "sessionId" | "port"> | null {
  const match = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})--([1-9]\d{0,4})\./.exec(host.toLowerCase());
  const port = Number(match?.[2]);
  return match?.[1] && port <= 65535 ? { sessionId: match[1], port } : null;
}

/** Throws `not_found` and `preview_unavailable`. */
export async function openPreview(
  deps: PreviewDeps,
  actor: Actor,
  { session_id, port }: { session_id: string; port: number },
): Promise<z.infer<typeof OpenPreviewAnswer>> {
  const key = { tenant_id: actor.tenantId, session_id };
  if (!(await findSessionRow(deps.table, key))) throw new AppError("not_found");
  if (deps.previewOrigin === "") throw new AppError("preview_unavailable", "This deployment has no preview domain");
  const target = { tenantId: actor.tenantId, sessionId: session_id, port, holder: holderOf(actor) };
  const origin = originOf(deps.previewOrigin, target);
  const ticket = await deps.capabilities.issue("ticket", target, deps.clock.now() + ticketMs);
  return { origin, open_url: `${origin}${openPath}`, ticket, expires_in: ticketMs / 1000 };
}

async function mayPass(deps: PreviewDeps, host: string, admission: PreviewAdmission): Promise<boolean> {
  const asked = targetOf(host);
  if (asked?.sessionId !== admission.sessionId || asked.port !== admission.port) return false;
  return isInGoodStanding(deps.table, admission.tenantId, admission.holder, deps.clock.now());
}

/** The cookie's value for a good ticket of this host that nobody used before; null for any other. */
export async function admitTicket(deps: PreviewDeps, host: string, ticket: string): Promise<string | null> {
  const now = deps.clock.now();
  const admission = await deps.capabilities.read("ticket", ticket, now);
  if (!admission || !(await mayPass(deps, host, admission))) return null;
  if (!(await spendTicket(deps.table, ticket, now + ticketMs))) return null;
  return deps.capabilities.issue("cookie", admission, now + cookieMs);
}

/** What one of the cookies opens on this host; null where they open nothing, or nothing any more. */
export async function admitCookie(deps: PreviewDeps, host: string, cookies: string[]): Promise<PreviewTarget | null> {
  for (const cookie of cookies) {
    const admission = await deps.capabilities.read("cookie", cookie, deps.clock.now());
    if (admission && (await mayPass(deps, host, admission))) return admission;
  }
  return null;
}

export interface Upstream {
  address: string;
  previewKey: string;
}

/** How the relay reaches the session's container; null where none takes requests. */
export async function upstreamOf(
  deps: Pick<PreviewDeps, "table" | "clock">,
  target: PreviewTarget,
): Promise<Upstream | null> {
  const container = await latestContainer(deps.table, keyOf(target));
  if (!isUsable(container, deps.clock.now()) || !container?.private_ip) return null;
  return { address: container.private_ip, previewKey: container.preview_key };
}

export const keyOf = ({ tenantId, sessionId }: PreviewTarget): SessionKey => ({
  tenant_id: tenantId,
  session_id: sessionId,
});

/** The ports that people's servers listen on now. Starts nothing: without a sandbox there are none. */
export async function listPreviews(
  deps: PreviewDeps & DoorDeps,
  key: SessionKey,
): Promise<z.infer<typeof PreviewList>> {
  if (!(await findSessionRow(deps.table, key))) throw new AppError("not_found");
  const door = await openDoor(deps, key);
  if (!door) return { data: [] };
  const { ports } = await deps.door.ask(door, previewPorts, {}, { timeoutMs: 5000 });
  const { previewOrigin } = deps;
  const origin = (port: number) =>
    previewOrigin === "" ? null : originOf(previewOrigin, { sessionId: key.session_id, port });
  return { data: ports.map((port) => ({ port, origin: origin(port) })) };
}
