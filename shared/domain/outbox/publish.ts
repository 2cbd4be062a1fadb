import { isConditionFailure, isTransactionConflict } from "../../data/conditions.ts";
import { rows } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventBus } from "../../ports/event-bus.ts";
import type { Ids } from "../../ports/ids.ts";
import { readConversation } from "../conversation/conversation.ts";
import { readEventsAndCheckpoints } from "../timeline/published-rows.ts";
import type { SessionKey } from "../timeline/row.ts";
import { deliverEvents, type DeliveriesDeps } from "../webhook/deliveries.ts";
import { outwardEvent } from "./outward.decisions.ts";
import { wakeOutbound } from "./wake.ts";

export interface PublishDeps extends DeliveriesDeps {
  clock: Clock;
  ids: Pick<Ids, "random">;
  bus: EventBus;
}

/** Rows of the log that one round looks at. */
const roundRows = 500;
/** A session that is written faster than it is published goes on with the next wake-up. */
const maxRounds = 10;
const patchTries = 5;

/** False where the condition does not hold. A transition of the session may be under way: then it is tried again. */
async function patched(deps: PublishDeps, write: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      await write();
      return true;
    } catch (error) {
      if (isConditionFailure(error)) return false;
      if (!isTransactionConflict(error) || tries >= patchTries) throw error;
      await deps.clock.sleep(deps.ids.random() * 20 * 2 ** tries);
    }
  }
}

/** True where the log ends at `through`: the session is then no longer marked. Moves the cursor in any case, never back. */
async function moveCursor(deps: PublishDeps, key: SessionKey, through: number): Promise<boolean> {
  const { tenant_id, session_id } = key;
  const patch = () => rows(deps.table).entities.conversation.patch({ tenant_id, session_id });
  const isEnd = await patched(deps, () =>
    patch()
      .set({ published_seq: through })
      .remove(["publish_due_at", "publish_shard"])
      .where(({ head }, { eq }) => eq(head, through))
      .go(),
  );
  if (isEnd) return true;
  await patched(deps, () =>
    patch()
      .set({ published_seq: through })
      .where(({ published_seq }, { lt }) => lt(published_seq, through))
      .go(),
  );
  return false;
}

/**
 * Tells the outside what a session appended since it was last told. The log is the truth: who dies on the way leaves the
 * mark and the cursor, and the next one puts the same events again under the same ids. Webhooks come first, so that a bus
 * that refuses does not hold them up.
 */
export async function publish(deps: PublishDeps, key: SessionKey): Promise<void> {
  for (let round = 0; round < maxRounds; round += 1) {
    const conversation = await readConversation(deps.table, key);
    if (conversation?.publish_due_at === undefined) return;
    const from = (conversation.published_seq ?? 0) + 1;
    const through = Math.min(conversation.head, from + roundRows - 1);
    const found = from > through ? [] : await readEventsAndCheckpoints(deps.table, key, { from, to: through });
    const events = found.map((row) => outwardEvent(key, row)).filter((event) => event !== null);
    await deliverEvents(deps, key.tenant_id, events);
    if (events.length > 0) await deps.bus.put(events);
    if (await moveCursor(deps, key, through)) return;
  }
  await wakeOutbound(deps, { kind: "publish", tenant_id: key.tenant_id, session_id: key.session_id });
}
