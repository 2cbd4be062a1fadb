import { rows } from "../../../shared/data/service.ts";
import { readConversation, transition } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { endTurn } from "../../../shared/domain/turn/turn.decisions.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import type { recordedJobs, recordedQueue, recordedSockets } from "../../support/fakes.ts";
import { startHttpPlatform } from "../../support/http-platform.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The HTTP process with one owner, spoken to as that owner unless said otherwise. */
export async function startSessions() {
  const platform = await startHttpPlatform();
  const owner = await platform.register();

  async function ask(method: Method, path: string, body?: unknown, as: TokenAnswer = owner) {
    const answer = await platform.send(method, path, body, as.access_token);
    if (answer.body["code"] !== "token_expired") return answer;
    const { refresh_token } = as;
    const renewed = await platform.send("POST", "/auth/refresh", { refresh_token });
    Object.assign(as, renewed.body);
    return platform.send(method, path, body, as.access_token);
  }

  /** The body as this very text. */
  function askRaw(method: Method, path: string, body: string, as: TokenAnswer = owner) {
    const headers = { "content-type": "application/json", authorization: `Bearer ${as.access_token}` };
    return platform.call({ method, path, headers, body });
  }

  async function create(body: unknown = {}, as: TokenAnswer = owner): Promise<Session> {
    const answer = await ask("POST", "/sessions", body, as);
    if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${answer.text}`);
    return answer.body as unknown as Session;
  }

  const keyOf = (session: { id: string }, of: TokenAnswer = owner): SessionKey => ({
    tenant_id: of.tenant.id,
    session_id: session.id,
  });
  const read = async (session: { id: string }, as: TokenAnswer = owner) =>
    (await ask("GET", `/sessions/${session.id}`, undefined, as)).body as unknown as Session;
  const list = async (query: string, as: TokenAnswer = owner) => {
    const { body } = await ask("GET", `/sessions?${query}`, undefined, as);
    return (body["data"] as Session[]).map(({ id }) => id);
  };

  /** Ends the running turn as the engine would. */
  async function finishTurn(session: { id: string }, reason: "completed" | "error" = "completed"): Promise<void> {
    const error = reason === "error" ? { code: "internal" as const, message: "no" } : null;
    const ended = await transition(platform.deps, keyOf(session), (conversation, now) =>
      endTurn(conversation, { reason, error }, { checkpoint: null, pending: false }, now),
    );
    if (ended.kind !== "committed") throw new Error(`the turn did not end: ${ended.kind}`);
  }

  return {
    ...platform,
    owner,
    ask,
    askRaw,
    create,
    read,
    list,
    keyOf,
    finishTurn,
    conversation: (session: { id: string }) => readConversation(platform.deps.table, keyOf(session)),
    entities: rows(platform.deps.table).entities,
    jobs: platform.deps.jobs as ReturnType<typeof recordedJobs>,
    queue: platform.deps.queue as ReturnType<typeof recordedQueue>,
    sockets: platform.deps.sockets as ReturnType<typeof recordedSockets>,
  };
}

export type Sessions = Awaited<ReturnType<typeof startSessions>>;

/** Every repository that somebody names is there, with one branch. */
export async function startWithRepositories(): Promise<Sessions> {
  const sessions = await startSessions();
  const facts = { defaultBranch: "main", branches: new Map([["main", "c0"]]) };
  sessions.deps.gitHosts.inspect = async () => ({ kind: "found", facts });
  return sessions;
}

export const unknownId = "00000000-0000-4000-8000-000000000000";
