/** A folder's part of the changes: names that changed, or all of it. */
export interface ChangedFolder {
  /** Everything below must be looked at. */
  whole: boolean;
  readonly names: Map<string, ChangedFolder>;
}

function folder(whole: boolean): ChangedFolder {
  return { whole, names: new Map() };
}

/** Which paths of the workspace may differ from the last checkpoint. May name too many, never too few. */
export class ChangedPaths {
  #root = folder(false);

  /** `whole`: the path is a folder of which everything may have changed. */
  add(path: string, whole = false): void {
    let at = this.#root;
    for (const name of path.split("/").filter(Boolean)) {
      let next = at.names.get(name);
      if (!next) {
        next = folder(false);
        at.names.set(name, next);
      }
      at = next;
    }
    at.whole ||= whole;
  }

  addAll(): void {
    this.#root.whole = true;
  }

  get isEmpty(): boolean {
    return !this.#root.whole && this.#root.names.size === 0;
  }

  /** Hands the changes over and begins anew. */
  take(): ChangedFolder {
    const taken = this.#root;
    this.#root = folder(false);
    return taken;
  }

  /** The checkpoint that took them was not made. */
  putBack(taken: ChangedFolder): void {
    merge(this.#root, taken);
  }
}

function merge(into: ChangedFolder, from: ChangedFolder): void {
  into.whole ||= from.whole;
  for (const [name, child] of from.names) {
    const present = into.names.get(name);
    if (present) merge(present, child);
    else into.names.set(name, child);
  }
}

export const nothingChanged: ChangedFolder = folder(false);
