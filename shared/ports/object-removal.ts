/** Apart from `Objects`: only who removes sessions may delete. */
export interface ObjectRemoval {
  /**
   * Deletes every object whose key begins with `prefix` and with none of `except`, and that was there at `before`
   * (milliseconds since the epoch; all of them without it). How many. Repeated it deletes what came since.
   */
  removeBelow(prefix: string, except: readonly string[], before?: number): Promise<number>;
}
