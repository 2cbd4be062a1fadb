/** Ports of one machine; 0 takes a free one. */
export interface PlatformPorts {
  http: number;
  webSocket: number;
  preview: number;
  aws: number;
  git: number;
  model: number;
}

/** What `npm start` listens on, and what the `local` stage's own values name. */
export const defaultPorts: PlatformPorts = {
  http: 4100,
  webSocket: 4101,
  preview: 4102,
  aws: 4103,
  git: 4104,
  model: 4105,
};

const anyPorts: PlatformPorts = { http: 0, webSocket: 0, preview: 0, aws: 0, git: 0, model: 0 };

export interface PlatformOptions {
  /** Tables, objects, secrets, repositories and logs; they survive a restart. */
  stateDir: string;
  /** The cloud assembly that the stack was synthesized into. */
  templateDir: string;
  /** The bundles that the sandbox image has at /app. */
  sandboxDir: string;
  /** The platform's own `node_modules`, from which sandboxes get a few programs. */
  nodeModulesDir: string;
  /** @default - free ones */
  ports?: Partial<PlatformPorts>;
  /** `baseUrl`: any server that speaks the Messages API. */
  model: "rehearsal" | "claude" | { baseUrl: string };
  /** Held in memory only. @default - a placeholder, which is enough for a rehearsal */
  modelApiKey?: string;
  /** One line about something that a person should know. @default - none are shown */
  log?: (line: string) => void;
  /** Each message that a client or sandbox sends over its WebSocket, before the function of its route has it. */
  onFrame?: (text: string) => void;
  /** Multiplies the schedules of the template: 0.01 sweeps each 600 ms. @default 1 */
  scheduleScale?: number;
  /** How long a spare execution environment stays warm, in ms. */
  idleMs?: number;
  /** An unpacked sandbox image. @default - composed of this machine's programs */
  rootFilesystem?: string;
  /** `none`: tools run as this user, with all its files. Only for a machine that is itself disposable. */
  isolation?: "bubblewrap" | "none";
}

export function portsOf(options: PlatformOptions): PlatformPorts {
  return { ...anyPorts, ...options.ports };
}

/** A port that the platform needs belongs to another program. */
export class PortTaken extends Error {
  constructor(port: number, use: string, cause: unknown) {
    super(`port ${port} (${use}) is in use by another program: stop it first`, { cause });
    this.name = "PortTaken";
  }
}

/** Starts something that listens, and says what the port was for when it is taken. */
export async function listening<T>(port: number, use: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") throw new PortTaken(port, use, error);
    throw error;
  }
}
