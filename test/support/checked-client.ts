import { ApiClient, type ApiSocket, type HttpReply } from "../../scripts/demo/client.ts";
import { requireDocumented } from "./answer-check.ts";
import { checkMessage } from "./message-check.ts";

/** Null for a text that is no JSON: tests send such ones on purpose. */
function frameOf(text: string): { type: string; request_id?: string } | null {
  try {
    return JSON.parse(text) as { type: string; request_id?: string };
  } catch {
    return null;
  }
}

/** Notes which frame each ack answers, and holds every message to the documents. */
function checked(socket: ApiSocket): ApiSocket {
  const asked = new Map<string, string>();
  const ws = socket.socket;
  const send = ws.send.bind(ws) as (data: string) => void;
  ws.send = (data: unknown) => {
    const frame = frameOf(String(data));
    if (frame?.request_id !== undefined) asked.set(frame.request_id, frame.type);
    send(String(data));
  };
  ws.on("message", (data: Buffer) => {
    const text = data.toString("utf8");
    const { request_id } = JSON.parse(text) as { request_id?: string };
    checkMessage(text, request_id === undefined ? undefined : asked.get(request_id));
  });
  return socket;
}

/** A person's program whose every answer and event must be as the documents have it. */
export class CheckedClient extends ApiClient {
  override async reply<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<HttpReply<T>> {
    const answer = await super.reply<T>(method, path, body, headers);
    const text = answer.body === null ? "" : JSON.stringify(answer.body);
    const seen = { status: answer.status, headers: Object.fromEntries(answer.headers), text };
    requireDocumented(method, path.split("?")[0] ?? "", seen);
    return answer;
  }

  override async connect(webSocketUrl: string): Promise<ApiSocket> {
    return checked(await super.connect(webSocketUrl));
  }

  override async connectWithToken(webSocketUrl: string): Promise<ApiSocket> {
    return checked(await super.connectWithToken(webSocketUrl));
  }
}
