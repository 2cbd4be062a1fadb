import { emptySource, SandboxCommand } from "../../../../../shared/protocol/sandbox-frame.ts";
import { deferred } from "../../deferred.ts";
import { log, messageOf } from "../../log.ts";
import { Configuration } from "../configuration.ts";
import { pause } from "../platform/back-off.ts";
import type { Command } from "../platform/platform-link.ts";
import { type RunTool, ToolCalls } from "./tool-calls.ts";
import type { ToolboxClient } from "./toolbox-client.ts";

const defaultLongestMs = 5000;
const nobody = { name: "", email: "" };

const adopt: Command = {
  ...{ type: "adopt", tenant_id: "", session_id: "", epoch: 1, boot_secret: "", in_place: true },
  welcome: {
    ...{ session_id: "", epoch: 1, preview_key: "", control_key: "", idle_stop_seconds: 1, configurable: true },
    source: { ...emptySource, is_first: true, is_held: false, credential: null },
    checkpoint_as: { author: nobody, co_author: nobody },
    configuration: { network: { policy: "none", allow: [] }, setup: [], environment: {}, secret: [], missing: [] },
  },
};
const run: RunTool = {
  ...{ type: "tool.run", call_id: "rehearsal", nonce: "", name: "bash", input: { command: ":" } },
  ...{ input_url: null, timeout_ms: defaultLongestMs },
};

const nobodys = () => Promise.reject(new Error("it is nobody's"));

/**
 * A command that does nothing, run as a session's are and told to nobody: by the time that somebody waits for one its shell
 * is open, and the code of both programs has run once. False where it did not end. Never rejects.
 */
export async function rehearse(toolbox: ToolboxClient, longestMs = defaultLongestMs): Promise<boolean> {
  const ended = deferred<boolean>();
  const calls = new ToolCalls({
    link: { sendDurable: () => ended.resolve(true), sendLive: () => undefined },
    toolbox,
    uploads: { put: nobodys },
    ready: Promise.resolve(),
    configuration: new Configuration({ link: { request: nobodys }, now: Date.now, onNetwork: () => undefined }),
    takeNote: () => null,
    onActivity: () => undefined,
  });
  // Until its end, however late: nobody else waits for that.
  const stop = toolbox.overhear((report) => calls.report(report));
  void ended.promise.then(stop);
  const enough = new AbortController();
  try {
    SandboxCommand.parse(adopt);
    SandboxCommand.parse(run);
    await calls.run(run);
    return await Promise.race([ended.promise, pause(longestMs, enough.signal).then(() => false)]);
  } catch (error) {
    log("no rehearsal", { error: messageOf(error) });
    return false;
  } finally {
    enough.abort();
  }
}
