/** Apart from `Objects`: only who removes sessions may delete. */
export interface ObjectRemoval {
  /** Deletes every object whose key begins with `prefix` and with none of `except`. Repeated it deletes what came since. */
  removeBelow(prefix: string, except: readonly string[]): Promise<void>;
  /** The keys below `prefix`; with `before` (milliseconds since the epoch) only of what was put until then. */
  listBelow(prefix: string, before?: number): Promise<string[]>;
  /** Keys of which there is nothing are no error. */
  remove(keys: readonly string[]): Promise<void>;
}
