import type { ServerEvent } from "../../shared/protocol/server-event.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { ApiClient, ApiSocket } from "../demo/client.ts";
import { cpuMs } from "./processes.ts";

export interface Turn {
  wallMs: number;
  firstDeltaMs: number;
  firstToolMs: number;
  cpuMs: number;
  /** When each answer of the model was committed, in milliseconds of one clock. */
  answersAt: number[];
}

/** A session that one person watches: everything goes the whole way, socket to socket. */
export class Watched {
  readonly id: string;
  readonly #socket: ApiSocket;
  #listen: (event: ServerEvent) => void = () => undefined;

  private constructor(socket: ApiSocket, id: string) {
    this.id = id;
    this.#socket = socket;
    socket.onEvent((event) => event.session_id === id && this.#listen(event));
  }

  static async open(api: ApiClient, socket: ApiSocket): Promise<Watched> {
    const { id } = await api.call<Session>("POST", "/sessions", {});
    await socket.ask({ type: "session.subscribe", session_id: id, batched: true });
    return new Watched(socket, id);
  }

  /** User frame sent → `turn.ended` received: gateway, queue, worker, sandbox, table and checkpoint in between. */
  async turn(content: string): Promise<Turn> {
    const cpuBefore = cpuMs();
    const before = performance.now();
    let firstDeltaMs = Number.NaN;
    let firstToolMs = Number.NaN;
    const answersAt: number[] = [];
    this.#listen = ({ type, data }) => {
      if (type === "message.delta" && Number.isNaN(firstDeltaMs)) firstDeltaMs = performance.now() - before;
      if (type === "tool.completed" && Number.isNaN(firstToolMs)) firstToolMs = performance.now() - before;
      if (type === "message.completed" && data.role === "assistant") answersAt.push(performance.now());
    };
    const sent = await this.#socket.ask({ type: "message.send", session_id: this.id, content });
    const ended = await this.#socket.waitFor("turn.ended", ({ turn_id }) => turn_id === sent["turn_id"], 600_000);
    if (ended.data.reason !== "completed") throw new Error(`a turn ended with ${ended.data.reason}`);
    return { wallMs: performance.now() - before, firstDeltaMs, firstToolMs, cpuMs: cpuMs() - cpuBefore, answersAt };
  }
}
