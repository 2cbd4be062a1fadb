/** Apart from `Objects`: only who removes sessions may delete. */
export interface ObjectRemoval {
  /** Deletes every object whose key begins with `prefix` and with none of `except`. Repeated it deletes what came since. */
  removeBelow(prefix: string, except: readonly string[]): Promise<void>;
}
