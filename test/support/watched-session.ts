import { rows } from "../../shared/data/service.ts";
import type { Engine } from "./engine.ts";

/** A session that somebody watches, and what that one was told. */
export async function watchedSession(engine: Engine) {
  const key = await engine.session();
  const { tenant_id, session_id } = key;
  const connection_id = `watch-${session_id}`;
  const expires_at = Math.ceil(engine.clock.now() / 1000) + 86_400;
  await rows(engine.deps.table).entities.subscription.create({ tenant_id, session_id, connection_id, expires_at }).go();
  const told = () => (engine.sockets.posted.get(connection_id) ?? []) as { type: string; data: unknown }[];
  return { ...key, told };
}
