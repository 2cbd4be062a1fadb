import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer, RunningPeer } from "./contract.ts";
import { type Heard, Program, Stopwatch, turnLimitMs } from "./program.ts";

const flags = ["--provider", "anthropic", "--model", "claude-sonnet-4-5", "--mode", "rpc"];

function heard(line: string): Heard {
  if (line.startsWith('{"type":"agent_end"')) return "end";
  return line.startsWith('{"type":"message_update"') && line.includes('"type":"text_delta"') ? "delta" : null;
}

export const pi: Peer = {
  name: "pi",
  packages: ["@mariozechner/pi-coding-agent@0.73.1"],
  tools: {
    write: (path, content) => ({ name: "write", input: { path, content } }),
    run: (command) => ({ name: "bash", input: { command } }),
  },
  writesIntoWorkspace: true,
  async start(place): Promise<RunningPeer> {
    const settings = join(place.home, ".pi/agent");
    mkdirSync(settings, { recursive: true });
    writeFileSync(
      join(settings, "models.json"),
      JSON.stringify({ providers: { anthropic: { baseUrl: place.modelUrl } } }),
    );
    const binary = join(place.installed, "node_modules/.bin/pi");
    const program = new Program(place, binary, flags, { ANTHROPIC_API_KEY: "fake", PI_OFFLINE: "1" });
    const stopwatch = new Stopwatch();
    program.onLine((line) => stopwatch.hear(heard(line), line));
    return {
      pid: program.pid,
      turn: (message) =>
        program.whileRunning(
          stopwatch.time(() => program.send({ type: "prompt", message })),
          turnLimitMs,
        ),
      stop: () => program.stop(),
    };
  },
};
