import type { Table } from "../../data/service.ts";
import { readConversation, type Conversation } from "../conversation/conversation.ts";
import { findContainer, type Container } from "./container.ts";
import type { Link } from "./link.ts";

/** What a sandbox's frame is judged by beside its connection, read at once with it. */
export interface EarlyReads {
  /** Whose the connection was at its last frame: it may have been adopted since. */
  of: Pick<Link, "key" | "epoch">;
  conversation: Promise<Conversation | null>;
  container: Promise<Container | null> | null;
}

const maxKnown = 1000;
const knownIn = new WeakMap<Table, Map<string, EarlyReads["of"]>>();

/** Only says what is worth reading early: every frame's rights are those of its connection's row. */
function remember(table: Table, { connectionId, key, epoch }: Link): void {
  const known = knownIn.get(table) ?? new Map<string, EarlyReads["of"]>();
  knownIn.set(table, known);
  if (known.size >= maxKnown) known.clear();
  known.set(connectionId, { key, epoch });
}

/** Null where this process has served no frame of the connection. */
export function readEarly(table: Table, connectionId: string, withContainer: boolean): EarlyReads | null {
  const of = knownIn.get(table)?.get(connectionId);
  if (!of) return null;
  const conversation = readConversation(table, of.key);
  const container = withContainer ? findContainer(table, of.key, of.epoch) : null;
  // Nobody may come to wait for them.
  for (const read of [conversation, container]) read?.catch(() => undefined);
  return { of, conversation, container };
}

/** What was read early, where it is of this link's session and container, and from now on for its frames. */
export function readFor(table: Table, link: Link, early: EarlyReads | null): EarlyReads | null {
  const { key, epoch } = link;
  const isSame =
    early?.of.key.tenant_id === key.tenant_id && early.of.key.session_id === key.session_id && early.of.epoch === epoch;
  if (!isSame) remember(table, link);
  return isSame ? early : null;
}
