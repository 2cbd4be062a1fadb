import { greet, markAlive, markReady, type Link, type LinkDeps } from "../../../shared/domain/container/link.ts";
import { announceLive, type AnnounceDeps } from "../../../shared/domain/timeline/announce.ts";
import { receiveResult } from "../../../shared/domain/tool-call/receive-result.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import type { Clock } from "../../../shared/ports/clock.ts";
import type { LaunchRequest, SandboxProvider } from "../../../shared/ports/sandbox-provider.ts";
import type { Sockets } from "../../../shared/ports/sockets.ts";
import { resultOf, type RunCommand } from "../../support/turn-driver.ts";

export type SandboxDeps = LinkDeps & AnnounceDeps & Parameters<typeof receiveResult>[0] & { clock: Clock };

const prefix = "link-";
const heartbeatMs = 1000;

/** Containers that live in this process: each command gets a little output, then its result. */
export function talkingSandboxes(deps: () => SandboxDeps, keyOf: (sessionId: string) => SessionKey) {
  const links = new Map<string, Link>();
  const timers = new Set<NodeJS.Timeout>();
  const working = new Set<Promise<void>>();
  let stopped = false;

  const work = (job: () => Promise<unknown>) => {
    const running = job().then(
      () => undefined,
      () => undefined,
    );
    working.add(running);
    void running.finally(() => working.delete(running));
  };

  async function comeUp({ sessionId, epoch }: LaunchRequest): Promise<void> {
    const link = { key: keyOf(sessionId), epoch, connectionId: `${prefix}${sessionId}-${epoch}` };
    links.set(link.connectionId, link);
    await deps().clock.sleep(500);
    await greet(deps(), link, { frame_id: "f1", private_ip: null });
    await markReady(deps(), link, { restored_commit: null, base_commit: null });
    timers.add(setInterval(() => work(() => markAlive(deps(), link)), heartbeatMs));
  }

  async function run(link: Link, command: RunCommand): Promise<void> {
    const { call_id } = command;
    const parts = ["one ", "two ", "three"];
    for (const [index, text] of parts.entries()) {
      const offset = parts.slice(0, index).join("").length;
      await deps().clock.sleep(100);
      await announceLive(deps(), link.key, { type: "tool.output", data: { call_id, offset, text } });
    }
    if (!stopped) await receiveResult(deps(), link, resultOf(command, parts.join("")));
  }

  const provider: SandboxProvider = {
    capabilities: { networkPolicies: ["open"] },
    launch: async (request) => {
      work(() => comeUp(request));
      return { kind: "launched", taskId: `task-${request.sessionId}-${request.epoch}` };
    },
    stop: async () => undefined,
    describe: async () => "running",
  };

  return {
    provider,
    /** Takes what goes to the sandboxes out of what goes to the gateway. */
    sockets: (inner: Sockets): Sockets => ({
      post: async (connectionId, message) => {
        const link = links.get(connectionId);
        if (link === undefined) return inner.post(connectionId, message);
        const command = JSON.parse(message) as RunCommand;
        if (command.type === "tool.run") work(() => run(link, command));
        return "sent";
      },
      close: (connectionId) => inner.close(connectionId),
    }),
    async stop() {
      stopped = true;
      for (const timer of timers) clearInterval(timer);
      await Promise.all(working);
    },
  };
}
