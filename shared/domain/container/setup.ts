import type { SetupOutcome } from "../../protocol/sandbox-config.ts";
import { readConversation, transition } from "../conversation/conversation.ts";
import { announce, type AnnounceDeps } from "../timeline/announce.ts";
import type { ConversationDeps } from "../conversation/conversation.ts";
import type { EventRow } from "../timeline/row.ts";
import type { Link } from "./link.ts";

export type SetupDeps = ConversationDeps & AnnounceDeps;

type Told = Omit<Extract<EventRow, { type: "container.setup" }>["data"], "epoch">;

/** Once for each container, however often it is reported: the row that says when it was changes in the same transaction. */
async function record(deps: SetupDeps, { key, epoch }: Link, mark: "setup_from" | "setup_until", told: Told) {
  const conversation = await readConversation(deps.table, key);
  if (conversation?.epoch !== epoch) return;
  const outcome = await transition(
    deps,
    key,
    (current, now) => {
      if (current.epoch !== epoch) return null;
      const setup: EventRow = {
        kind: "event",
        type: "container.setup",
        turn_id: current.turn_id,
        data: { epoch, ...told },
      };
      return {
        rows: [setup],
        change: {},
        extra: (entities) => [
          entities.container
            .patch({ ...key, epoch })
            .set({ [mark]: now })
            .where((row, { eq, notExists }) =>
              [notExists(row[mark]), `(${eq(row.status, "starting")} OR ${eq(row.status, "ready")})`].join(" AND "),
            )
            .commit(),
        ],
        result: null,
      };
    },
    conversation,
  );
  if (outcome.kind === "committed") await announce(deps, key, outcome.rows);
}

/** Calls that wait for the commands are not late because of them. */
export function recordSetupStart(deps: SetupDeps, link: Link): Promise<void> {
  return record(deps, link, "setup_from", { status: "started" });
}

export function recordSetup(deps: SetupDeps, link: Link, outcome: SetupOutcome): Promise<void> {
  return record(deps, link, "setup_until", { status: outcome.ok ? "ok" : "failed", ...outcome });
}
