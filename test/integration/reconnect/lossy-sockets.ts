import { setTimeout as pause } from "node:timers/promises";
import type { Delivered, Sockets } from "../../../shared/ports/sockets.ts";

/** Shares of the posts that go wrong. `silent`: the gateway says 200, and nothing arrives. `late`: after others. */
export interface Losses {
  slow: number;
  gone: number;
  silent: number;
  late: number;
}

type Fate = keyof Losses;

const lateMs = 500;

export function lossySockets(inner: Sockets, losses: Losses, random: () => number) {
  const counted = { posts: 0, slow: 0, gone: 0, silent: 0, late: 0 };
  const fateOf = (): Fate | null => {
    let at = random();
    for (const fate of ["slow", "gone", "silent", "late"] as const) {
      at -= losses[fate];
      if (at < 0) return fate;
    }
    return null;
  };
  const sockets: Sockets = {
    async post(connectionId, message): Promise<Delivered> {
      const fate = fateOf();
      counted.posts += 1;
      if (fate === null) return inner.post(connectionId, message);
      counted[fate] += 1;
      if (fate === "late")
        void pause(lateMs * random()).then(() => inner.post(connectionId, message).catch(() => "slow"));
      return fate === "late" || fate === "silent" ? "sent" : fate;
    },
    close: (connectionId) => inner.close(connectionId),
  };
  return { sockets, counted };
}
