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
/** Changed so often, the oldest values are of no use to anybody. */
const mostGiven = 500;

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
  /** Every secret value that was given to a command here, and its variable: what was started with it may print it for ever. */
  readonly #given = new Map<string, string>();
  #secrets = new SecretTexts([]);
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
    return new Redactor(() => this.#secrets);
  }

  async #read(): Promise<void> {
    const answer = await this.#options.link.request({ type: "sandbox.read_configuration" }, requestTimeoutMs);
    this.take(SandboxConfiguration.parse(answer));
  }

  /** It holds from now on. */
  take(configuration: SandboxConfiguration): void {
    const before = this.#known;
    this.#known = configuration;
    this.#readAt = this.#options.now();
    this.#keepSecret();
    const { network } = this.#known;
    if (JSON.stringify(before.network) !== JSON.stringify(network)) this.#options.onNetwork(network);
  }

  #keepSecret(): void {
    const { environment, secret } = this.#known;
    for (const name of secret) {
      const value = environment[name] ?? "";
      this.#given.delete(value);
      this.#given.set(value, name);
    }
    for (const oldest of [...this.#given.keys()].slice(0, -mostGiven)) this.#given.delete(oldest);
    const shownAs = (name: string, value: string) => (environment[name] === value ? name : `${name} (before)`);
    this.#secrets = new SecretTexts([...this.#given].map(([value, name]) => [shownAs(name, value), value]));
  }
}
