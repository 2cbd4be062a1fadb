import { rows, type Platform, type Table } from "../../data/service.ts";
import { AppError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ids } from "../../ports/ids.ts";
import type { Sockets } from "../../ports/sockets.ts";

export type Entities = Parameters<Parameters<Platform["transaction"]["write"]>[0]>[0];
export type Write = ReturnType<Parameters<Platform["transaction"]["write"]>[0]>[number];

export interface CommitDeps {
  table: Table;
  clock: Pick<Clock, "sleep">;
  ids: Pick<Ids, "random">;
}

/** For what ends memberships or tokens: their open sockets end too. */
export interface ClosingDeps extends CommitDeps {
  sockets: Pick<Sockets, "close">;
}

export interface Plan<T> {
  /** Each holds only on the state that was decided on. Null: nothing is to be written. */
  writes: ((entities: Entities) => Write[]) | null;
  result: T;
}

const maxTries = 8;

/**
 * Reads and decides, writes it all in one transaction; where something changed in between, reads and decides again.
 * Throws what `decide` throws, and `busy` after 8 conflicts in a row.
 */
export async function commit<T>(deps: CommitDeps, decide: () => Promise<Plan<T>>): Promise<T> {
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const { writes, result } = await decide();
    if (!writes) return result;
    const written = await rows(deps.table).transaction.write(writes).go();
    if (!written.canceled) return result;
    await deps.clock.sleep(deps.ids.random() * 10 * 2 ** attempt);
  }
  throw new AppError("busy");
}
