import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer, Place, RunningPeer } from "./contract.ts";
import { answering, freePort, listen, post } from "./daemon.ts";
import { type Heard, Program, Stopwatch, turnLimitMs } from "./program.ts";

const startLimitMs = 60_000;

const environment = {
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
};

/** Its default: a git snapshot at each step. */
function configure({ workspace, modelUrl }: Place): void {
  const config = {
    model: "anthropic/claude-sonnet-4-5",
    provider: { anthropic: { options: { baseURL: `${modelUrl}/v1`, apiKey: "fake" } } },
    permission: { edit: "allow", bash: "allow", webfetch: "allow" },
    share: "disabled",
  };
  writeFileSync(join(workspace, "opencode.json"), JSON.stringify(config));
}

function heard(data: string): Heard {
  if (data.includes('"type":"session.idle"')) return "end";
  if (data.includes('"type":"session.error"')) return "failed";
  return data.includes('"type":"message.part.delta"') && data.includes('"field":"text"') ? "delta" : null;
}

export const opencode: Peer = {
  name: "opencode",
  packages: ["opencode-ai@1.18.33"],
  tools: {
    write: (filePath, content) => ({ name: "write", input: { filePath, content } }),
    run: (command) => ({ name: "bash", input: { command, description: "Says the step" } }),
  },
  writesIntoWorkspace: true,
  async start(place): Promise<RunningPeer> {
    configure(place);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const binary = join(place.installed, `node_modules/opencode-${process.platform}-${process.arch}/bin/opencode`);
    const program = new Program(place, binary, ["serve", "--port", `${port}`, "--hostname", "127.0.0.1"], environment);
    await program.whileRunning(answering(`${url}/session`), startLimitMs);
    const { id } = await post<{ id: string }>(`${url}/session`, {});
    const stopwatch = new Stopwatch();
    const leave = await listen(`${url}/event`, (data) => stopwatch.hear(heard(data), data));
    const send = (text: string) => post(`${url}/session/${id}/prompt_async`, { parts: [{ type: "text", text }] });
    return {
      pid: program.pid,
      turn: (prompt) =>
        program.whileRunning(
          stopwatch.time(() => send(prompt)),
          turnLimitMs,
        ),
      async stop() {
        leave();
        await program.stop();
      },
    };
  },
};
