import { join } from "node:path";
import type { Peer, Place, RunningPeer, ToolNaming } from "./contract.ts";
import { type Heard, Program, Stopwatch, turnLimitMs } from "./program.ts";

export const claudeTools: ToolNaming = {
  write: (file_path, content) => ({ name: "Write", input: { file_path, content } }),
  run: (command) => ({ name: "Bash", input: { command, description: "Says the step" } }),
};

/** As root it refuses to skip permissions without `IS_SANDBOX`. */
export function claudeEnvironment({ modelUrl }: Place): Record<string, string> {
  return {
    IS_SANDBOX: "1",
    ANTHROPIC_API_KEY: "fake",
    ANTHROPIC_BASE_URL: modelUrl,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_AUTOUPDATER: "1",
  };
}

const flags = [
  ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--include-partial-messages"],
  ...["--verbose", "--dangerously-skip-permissions", "--model", "claude-sonnet-4-5"],
];

function heard(line: string): Heard {
  if (line.startsWith('{"type":"result"')) return line.includes('"is_error":false') ? "end" : "failed";
  return line.startsWith('{"type":"stream_event"') && line.includes('"text_delta"') ? "delta" : null;
}

/** One process for all turns, a line of JSON for each. */
export const claudeCode: Peer = {
  name: "claude-code",
  packages: ["@anthropic-ai/claude-code@2.1.197"],
  tools: claudeTools,
  writesIntoWorkspace: true,
  async start(place): Promise<RunningPeer> {
    const platformPackage = `@anthropic-ai/claude-code-${process.platform}-${process.arch}`;
    const binary = join(place.installed, "node_modules", platformPackage, "claude");
    const program = new Program(place, binary, flags, claudeEnvironment(place));
    const stopwatch = new Stopwatch();
    program.onLine((line) => stopwatch.hear(heard(line), line));
    return {
      pid: program.pid,
      turn(text) {
        const message = { role: "user", content: [{ type: "text", text }] };
        return program.whileRunning(
          stopwatch.time(() => program.send({ type: "user", message })),
          turnLimitMs,
        );
      },
      stop: () => program.stop(),
    };
  },
};
