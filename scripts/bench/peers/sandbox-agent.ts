import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { claudeEnvironment, claudeTools } from "./claude-code.ts";
import type { Peer, Place, RunningPeer } from "./contract.ts";
import { answering, freePort, listen, post } from "./daemon.ts";
import { type Heard, Program, Stopwatch, turnLimitMs } from "./program.ts";

const firstWords = "Step 0";
const platform = `${process.platform}-${process.arch}`;

/** It looks for both in its PATH, and would download them. */
function agents({ home, installed }: Place): string {
  const directory = join(home, "bin");
  mkdirSync(directory, { recursive: true });
  const modules = join(installed, "node_modules");
  symlinkSync(join(modules, "@zed-industries/claude-code-acp/dist/index.js"), join(directory, "claude-agent-acp"));
  symlinkSync(join(modules, `@anthropic-ai/claude-code-${platform}/claude`), join(directory, "claude"));
  return directory;
}

function daemon(place: Place, port: number): Program {
  const binary = join(place.installed, `node_modules/@sandbox-agent/cli-${platform}/bin/sandbox-agent`);
  chmodSync(binary, 0o755);
  const args = ["server", "--no-token", "--no-telemetry", "--host", "127.0.0.1", "--port", `${port}`];
  return new Program(place, binary, args, claudeEnvironment(place), [agents(place)]);
}

interface Reply {
  result?: { sessionId?: string; stopReason?: string };
  error?: { message: string };
}

/** The end of a turn before may come after its answer: only the words of a first step count. */
function heard(data: string): Heard {
  return data.includes('"agent_message_chunk"') && data.includes(firstWords) ? "delta" : null;
}

/** An HTTP daemon in front of Claude Code: JSON-RPC of the agent client protocol, events as a stream. */
export const sandboxAgent: Peer = {
  name: "sandbox-agent",
  packages: ["sandbox-agent@0.4.2", "@zed-industries/claude-code-acp@0.16.2", "@anthropic-ai/claude-code@2.1.197"],
  tools: claudeTools,
  writesIntoWorkspace: true,
  async start(place): Promise<RunningPeer> {
    const port = await freePort();
    const program = daemon(place, port);
    const url = `http://127.0.0.1:${port}/v1/acp/s1`;
    let id = 0;
    const call = async (method: string, params: object, query = "") => {
      const reply = await post<Reply>(`${url}${query}`, { jsonrpc: "2.0", id: (id += 1), method, params });
      if (reply?.error) throw new Error(`${method}: ${reply.error.message}`);
      return reply?.result ?? {};
    };
    await program.whileRunning(answering(url), 30_000);
    await call("initialize", { protocolVersion: 1, clientCapabilities: {} }, "?agent=claude");
    const { sessionId } = await call("session/new", { cwd: place.workspace, mcpServers: [] });
    await call("session/set_mode", { sessionId, modeId: "bypassPermissions" });
    const stopwatch = new Stopwatch();
    const leave = await listen(url, (data) => stopwatch.hear(heard(data), data));
    const prompt = async (text: string) => {
      const { stopReason } = await call("session/prompt", { sessionId, prompt: [{ type: "text", text }] });
      stopwatch.hear(stopReason === "end_turn" ? "end" : "failed", `it stopped for ${stopReason}`);
    };
    return {
      pid: program.pid,
      turn: (text) =>
        program.whileRunning(
          stopwatch.time(() => prompt(text)),
          turnLimitMs,
        ),
      async stop() {
        leave();
        await program.stop();
      },
    };
  },
};
