/** Apart from `Objects`: only who removes sessions may delete. */
export interface ObjectRemoval {
  /** Deletes every object whose key begins with `prefix` and not with `except`. Repeated it deletes what came since. */
  removeBelow(prefix: string, except: string | null): Promise<void>;
}
