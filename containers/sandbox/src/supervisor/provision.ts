import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SandboxConfiguration } from "../../../../shared/protocol/sandbox-config.ts";
import type { Welcome } from "../../../../shared/protocol/sandbox-frame.ts";
import type { ToolboxReport } from "../link/toolbox-frame.ts";
import { log, messageOf } from "../log.ts";
import type { DialOptions } from "../proxy/dial.ts";
import { proxySocketName } from "../proxy/forwarder.ts";
import { NetworkProxy } from "../proxy/proxy.ts";
import { Configuration } from "./configuration.ts";
import type { PlatformLink } from "./platform/platform-link.ts";
import { notesOf, Setup, setupCallId } from "./setup.ts";
import type { ToolboxClient } from "./tools/toolbox-client.ts";

interface ProvisionOptions {
  link: PlatformLink;
  toolbox: ToolboxClient;
  socketDirectory: string;
  now: () => number;
  /** Null where the toolbox has this task's own network. */
  network: DialOptions | null;
}

const readTries = 3;
const crossedMs = 500;

/** What a session's `sbx_config` makes of its container: the way out of it, its variables, its setup. */
export class Provision {
  readonly configuration: Configuration;
  readonly #options: ProvisionOptions;
  readonly #setup: Setup;
  readonly #proxy: NetworkProxy | null;
  #reading: Promise<boolean> = Promise.resolve(true);
  #note: string | null = null;

  constructor(options: ProvisionOptions) {
    const { link, toolbox, now, network } = options;
    this.#options = options;
    this.#proxy = network === null ? null : new NetworkProxy(network);
    this.configuration = new Configuration({
      link,
      now,
      onNetwork: (rules) => this.#proxy?.setRules(rules),
    });
    this.#setup = new Setup({ link, toolbox, configuration: this.configuration });
  }

  get isBusy(): boolean {
    return this.#setup.isRunning;
  }

  /** Opens the way out, which leads nowhere until the session's configuration is known. */
  async listen(): Promise<void> {
    if (!this.#proxy) return;
    const path = join(this.#options.socketDirectory, proxySocketName);
    rmSync(path, { force: true });
    await this.#proxy.listen(path);
    // The toolbox is another user; the folder is open to these two alone.
    chmodSync(path, 0o666);
  }

  /** At each link: a change may have been missed. */
  welcomed({ configurable, configuration }: Welcome, isFirst: boolean): void {
    if (isFirst && configuration) return this.#begin(configuration);
    if (!configurable) return;
    if (isFirst) this.#reading = this.#readFirst();
    else this.configuration.refresh();
  }

  /** Once the workspace is there: runs what has to run before any tool. Rejects only where the workspace does. */
  async toolsReady(workspaceReady: Promise<unknown>): Promise<void> {
    await workspaceReady;
    if (!(await this.#reading)) {
      this.#note = "[sbx_config could not be read: no network, no variables, no setup]\n";
      return;
    }
    const outcome = await this.#setup.run();
    this.#note = notesOf(outcome, this.configuration.setup, this.configuration.missing);
  }

  /** What the first result of a tool must say beside its own. */
  takeNote(): string | null {
    const note = this.#note;
    this.#note = null;
    return note;
  }

  /** Whether it was about the setup. */
  report(report: ToolboxReport): boolean {
    if (!("call_id" in report) || report.call_id !== setupCallId) return false;
    this.#setup.report(report);
    return true;
  }

  toolboxLost(): void {
    this.#setup.toolboxLost();
  }

  close(): void {
    this.#proxy?.close();
  }

  /** A change that crossed it on its way is asked for, once the first calls have gone. */
  #begin(configuration: SandboxConfiguration): void {
    this.configuration.take(configuration);
    setTimeout(() => this.configuration.refresh(), crossedMs);
  }

  async #readFirst(): Promise<boolean> {
    for (let attempt = 0; attempt < readTries; attempt += 1) {
      try {
        await this.configuration.read();
        return true;
      } catch (error) {
        log("configuration not read", { error: messageOf(error) });
      }
    }
    return false;
  }
}
