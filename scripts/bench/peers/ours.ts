import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { prepare } from "../../../infra/local/prepare.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { ServerEvent } from "../../../shared/protocol/server-event.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { PlatformProcess } from "../../chaos/platform-process.ts";
import { ApiClient } from "../../demo/client.ts";
import type { Peer, RunningPeer } from "./contract.ts";
import { type Heard, Stopwatch } from "./program.ts";

const root = resolve(import.meta.dirname, "../../..");

function heard({ type, data }: ServerEvent): Heard {
  if (type === "message.delta") return "delta";
  if (type !== "turn.ended") return null;
  return data.reason === "completed" && data.checkpoint !== null ? "end" : "failed";
}

/** The one-machine platform in a process of its own: all of the path, and nothing of the client or the model. */
export const ours: Peer = {
  name: "ours",
  packages: [],
  tools: {
    write: (file_path, content) => ({ name: "write", input: { file_path, content } }),
    run: (command) => ({ name: "bash", input: { command } }),
  },
  writesIntoWorkspace: false,
  async start({ home, modelUrl }): Promise<RunningPeer> {
    const stateDir = join(home, "state");
    mkdirSync(stateDir, { recursive: true });
    const prepared = await prepare({ root, directory: join(stateDir, "assembly"), hasModelKey: false });
    const platform = new PlatformProcess({ ...prepared, stateDir, model: { baseUrl: modelUrl } });
    await platform.start();
    const api = new ApiClient(platform.httpUrl);
    const credentials = { email: "bench@example.com", password: "a password for the bench" };
    api.signIn(await api.call<TokenAnswer>("POST", "/auth/register", { ...credentials, tenant_name: "Bench" }));
    const { id } = await api.call<Session>("POST", "/sessions", {});
    const socket = await api.connect(platform.webSocketUrl);
    await socket.ask({ type: "session.subscribe", session_id: id, batched: true });
    const stopwatch = new Stopwatch();
    socket.onEvent(
      (event) => event.session_id === id && stopwatch.hear(heard(event), `${event.type} ${JSON.stringify(event.data)}`),
    );
    return {
      pid: platform.pid,
      /** Frame sent → `turn.ended` received, with the checkpoint in between. */
      turn: (content) => stopwatch.time(() => socket.ask({ type: "message.send", session_id: id, content })),
      async stop() {
        await socket.close();
        await platform.kill();
      },
    };
  },
};
