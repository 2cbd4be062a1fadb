import { SandboxConfiguration } from "../../../../shared/protocol/sandbox-config.ts";
import { log, messageOf } from "../log.ts";
import type { PlatformLink } from "./platform/platform-link.ts";
import { Redactor, SecretTexts } from "./redactor.ts";

interface ConfigurationOptions {
  link: Pick<PlatformLink, "request">;
  now: () => number;
  /** Told each configuration that is another than the one before. */
  onNetwork: (network: SandboxConfiguration["network"]) => void;
}

const requestTimeoutMs = 15_000;
/** A secret that was changed is known after this long. */
const freshMs = 30_000;

const empty: SandboxConfiguration = {
  network: { policy: "none", allow: [] },
  setup: [],
  environment: {},
  secret: [],
  missing: [],
};

/** What the session asks of its sandbox, with the values of its secrets: in this process's memory alone. */
export class Configuration {
  readonly #options: ConfigurationOptions;
  #known = empty;
  #secrets = new SecretTexts({});
  #readAt: number | null = null;
  #reading: Promise<void> | null = null;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /** Asks the platform. Rejects where it does not answer. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  /** What is asked for again is used when it comes. */
  refresh(): void {
    this.read().catch((error: unknown) => log("configuration not read", { error: messageOf(error) }));
  }

  get setup(): readonly string[] {
    return this.#known.setup;
  }

  get missing(): SandboxConfiguration["missing"] {
    return this.#known.missing;
  }

  /** For one command: as they are now, or as they were half a minute ago. */
  async variables(): Promise<Record<string, string>> {
    const isUsed = Object.keys(this.#known.environment).length + this.#known.missing.length > 0;
    const isOld = this.#readAt !== null && this.#options.now() - this.#readAt > freshMs;
    if (isUsed && isOld) {
      await this.read().catch((error: unknown) => log("configuration not read", { error: messageOf(error) }));
    }
    return this.#known.environment;
  }

  /** One for each stream of output. */
  redactor(): Redactor {
    return new Redactor(this.#secrets);
  }

  async #read(): Promise<void> {
    const answer = await this.#options.link.request({ type: "sandbox.read_configuration" }, requestTimeoutMs);
    const before = this.#known;
    this.#known = SandboxConfiguration.parse(answer);
    this.#readAt = this.#options.now();
    const { environment, secret, network } = this.#known;
    // What was secret a moment ago may still be printed by what runs.
    const old = before.secret.map((name) => [`${name} (before)`, before.environment[name] ?? ""] as const);
    const values = [...old, ...secret.map((name) => [name, environment[name] ?? ""] as const)];
    this.#secrets = new SecretTexts(Object.fromEntries(values));
    if (JSON.stringify(before.network) !== JSON.stringify(network)) this.#options.onNetwork(network);
  }
}
