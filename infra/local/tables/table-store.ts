import type { Clock } from "../../../shared/ports/clock.ts";
import {
  dynalite,
  type ActionStore,
  type BatchStep,
  type Fields,
  type Item,
  type LevelDatabase,
  type RangeOptions,
  type StoredTable,
} from "./dynalite.ts";
import { serviceFailure } from "./failure.ts";
import { maxItemBytes } from "./item-size.ts";

export type TableClock = Pick<Clock, "now">;

export interface TableEntry {
  /** What DescribeTable answers. */
  table: StoredTable & Fields;
  timeToLiveAttribute: string | null;
}

/** Key prefixes. No row key holds a tilde: they are hex digits and slashes. */
export const rowPrefix = {
  table: "table~",
  token: "token~",
  items: (table: string) => `item~${table}~`,
  index: (table: string, index: string) => `index~${table}~${index}~`,
  indexes: (table: string) => `index~${table}~`,
  timeToLive: (table: string) => `ttl~${table}~`,
};

export function under(prefix: string): RangeOptions {
  return { gte: prefix, lt: `${prefix}~~` };
}

/**
 * The rows of all tables in one LevelDB (on disk, or in memory where the path is null). Writes are serialised: each
 * runs alone from its first read to its commit, and commits in one LevelDB batch, so that a crash leaves all or nothing.
 */
export class TableStore {
  readonly database: LevelDatabase;
  readonly #entries = new Map<string, TableEntry>();
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(database: LevelDatabase) {
    this.database = database;
  }

  static async open(path: string | null): Promise<TableStore> {
    const { db } = dynalite.create(path === null ? {} : { path });
    await db.open();
    const store = new TableStore(db);
    for (const row of await db.values(under(rowPrefix.table)).all()) {
      const entry = row as TableEntry;
      store.#entries.set(entry.table.TableName, entry);
    }
    return store;
  }

  /** Waits for the writes under way. */
  async close(): Promise<void> {
    await this.#lastWrite.catch(() => undefined);
    await this.database.close();
  }

  /** Runs one write (or one read that must see no write half-way) alone. */
  exclusively<T>(write: () => Promise<T>): Promise<T> {
    const result = this.#lastWrite.then(write, write);
    this.#lastWrite = result.catch(() => undefined);
    return result;
  }

  entries(): TableEntry[] {
    return [...this.#entries.values()];
  }

  find(tableName: string): TableEntry | undefined {
    return this.#entries.get(tableName);
  }

  entry(tableName: string): TableEntry {
    const entry = this.#entries.get(tableName);
    if (entry === undefined) throw serviceFailure("ResourceNotFoundException", "Requested resource not found");
    return entry;
  }

  async saveEntry(entry: TableEntry, rows: BatchStep[] = []): Promise<void> {
    const name = entry.table.TableName;
    await this.database.batch([{ type: "put", key: rowPrefix.table + name, value: entry }, ...rows]);
    this.#entries.set(name, entry);
  }

  async dropTable(tableName: string): Promise<void> {
    this.#entries.delete(tableName);
    await this.database.batch([{ type: "del", key: rowPrefix.table + tableName }]);
    for (const prefix of [rowPrefix.items(tableName), rowPrefix.indexes(tableName), rowPrefix.timeToLive(tableName)]) {
      await this.database.clear(under(prefix));
    }
  }

  readItem(tableName: string, key: string): Item | undefined {
    return this.database.getSync(rowPrefix.items(tableName) + key) as Item | undefined;
  }
}

/** An item that a request writes or deletes (`after` is absent). */
export interface ItemChange {
  tableName: string;
  /** As stored. */
  key: string;
  after?: Item;
}

/** What one request sees of the store: reads pass through, writes are kept until `commit`. */
export class StagedWrites implements ActionStore {
  readonly options = { maxItemSize: maxItemBytes };
  readonly store: TableStore;
  readonly steps: BatchStep[] = [];
  readonly changes: ItemChange[] = [];

  constructor(store: TableStore) {
    this.store = store;
  }

  getTable: ActionStore["getTable"] = (name, checkStatus, done) => {
    const answer = typeof checkStatus === "function" ? checkStatus : done;
    const entry = this.store.find(name);
    if (entry === undefined) answer?.(serviceFailure("ResourceNotFoundException", "Requested resource not found"));
    else answer?.(null, entry.table);
  };

  getItemDb: ActionStore["getItemDb"] = (tableName) => {
    const prefix = rowPrefix.items(tableName);
    return {
      lock: (_key, held) => held((done) => done),
      get: (key, done) => done(null, this.store.readItem(tableName, key)),
      put: (key, item, done) => {
        this.steps.push({ type: "put", key: prefix + key, value: item });
        this.changes.push({ tableName, key, after: item });
        done(null);
      },
      del: (key, done) => {
        this.steps.push({ type: "del", key: prefix + key });
        this.changes.push({ tableName, key });
        done(null);
      },
    };
  };

  async commit(): Promise<void> {
    if (this.steps.length > 0) await this.store.database.batch(this.steps);
  }
}
