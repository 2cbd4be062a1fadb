/** A tool call in a peer's own naming. */
export interface ToolUse {
  name: string;
  input: Record<string, unknown>;
}

/** How a peer calls its two tools. */
export interface ToolNaming {
  write(path: string, content: string): ToolUse;
  run(command: string): ToolUse;
}

/** Where a peer runs: nothing of the person who starts the bench is in it. */
export interface Place {
  /** Holds the peer's `node_modules`. */
  installed: string;
  home: string;
  /** A git repository with one commit. */
  workspace: string;
  /** The scripted model's base URL, without `/v1`. */
  modelUrl: string;
}

export interface Times {
  /** Prompt sent → end of the turn told. */
  wallMs: number;
  /** Prompt sent → first text delta. */
  firstDeltaMs: number;
}

export interface RunningPeer {
  /** Its work is done by this process and its descendants. */
  readonly pid: number;
  turn(prompt: string): Promise<Times>;
  stop(): Promise<void>;
}

export interface Peer {
  name: string;
  /** What npm installs, pinned. Empty for the platform itself. */
  packages: string[];
  tools: ToolNaming;
  /** False where files are not in `Place.workspace`, but in the peer's own sandbox. */
  writesIntoWorkspace: boolean;
  start(place: Place): Promise<RunningPeer>;
}
