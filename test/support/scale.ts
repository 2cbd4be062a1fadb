import { routes } from "../../functions/http/routes.ts";
import { httpHandler } from "../../functions/kit/http.ts";
import { randomIds } from "../../shared/adapters/random-ids.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import { InboxStatus } from "../../shared/protocol/session.ts";
import { httpApiEvent } from "./http-event.ts";
import { startHttpPlatform, type HttpPlatform } from "./http-platform.ts";
import { seededTurn, seedLog } from "./seed.ts";
import { seedSessions, type SeededSession } from "./seed-sessions.ts";

/** How much a tenant has. */
export interface Size {
  sessions: number;
  /** Of one session. */
  messages: number;
}

/** Just what fills one page of each list: all answers are as long as in a larger tenant. */
export const onePage: Size = { sessions: 25, messages: 51 };

const messagesPerTurn = 3;
const repo = "https://git.test/acme/orders";
const answer = "The page is there, with a test. It reads the orders in one query. ".repeat(8);

/** Of the first page's worth all match every filter; of the rest a part each. Children have their parent's repository. */
function sessionsOf(size: Size, parent: string, from: number): SeededSession[] {
  return Array.from({ length: size.sessions }, (_, at) => {
    const isFirst = at < onePage.sessions;
    const inbox_status = isFirst ? "active" : (InboxStatus.options[at % 4] ?? "active");
    return {
      session_id: randomIds.uuid(),
      title: `${isFirst ? "Zebra" : "Plain"} orders page ${String(at).padStart(6, "0")}`,
      repo_url: isFirst || at % 8 < 4 ? repo : "https://git.test/acme/others",
      parent: isFirst || at % 16 < 4 ? parent : undefined,
      inbox_status,
      last_activity_at: from + at,
      failed: false,
      unread: isFirst || at % 20 === 0,
    };
  });
}

export interface ScaledTenant {
  platform: HttpPlatform;
  /** Paths to GET, by what they are for. */
  calls: [name: string, paths: string[]][];
  get(path: string): Promise<void>;
}

/** A tenant of this size in a table of its own. */
export async function startScaledTenant(size: Size): Promise<ScaledTenant> {
  const platform = await startHttpPlatform();
  const owner: TokenAnswer = await platform.register();
  const { table } = platform.deps;
  const tenant_id = owner.tenant.id;
  const made = async () => (await platform.send("POST", "/sessions", {}, owner.access_token)).body["id"] as string;
  const [parent, long] = [await made(), await made()];
  const sessions = sessionsOf(size, parent, platform.clock.now() + 1);
  await seedSessions(table, { tenant_id, user_id: owner.user.id }, sessions);
  // Not the platform's own, which holds each answer to the documents: that would be most of the time.
  const handler = httpHandler(routes, () => platform.deps);
  const headers = { authorization: `Bearer ${owner.access_token}` };
  const turns = Array.from({ length: size.messages / messagesPerTurn }, (_, at) => seededTurn(at + 1, 1, answer));
  await seedLog(table, { tenant_id, session_id: long }, turns.flat());
  return {
    platform,
    calls: callsOf(parent, long),
    async get(path) {
      const [rawPath = "", query = ""] = path.split("?");
      const answer = await handler(httpApiEvent({ method: "GET", path: rawPath, query, headers }));
      if (answer.statusCode !== 200) throw new Error(`GET ${path} answered ${answer.statusCode}: ${answer.body}`);
    },
  };
}

function callsOf(parent: string, long: string): ScaledTenant["calls"] {
  const repository = encodeURIComponent(repo);
  return [
    ["list sessions", ["/sessions"]],
    ["list, by status", ["/sessions?inbox_status=active"]],
    ["list, by repository", [`/sessions?repo=${repository}`]],
    ["list, by parent", [`/sessions?parent=${parent}`]],
    ["list, by status, repository and parent", [`/sessions?inbox_status=active&repo=${repository}&parent=${parent}`]],
    ["list, by a common word of the title", ["/sessions?q=orders"]],
    ["list, by a rare word of the title", ["/sessions?q=zebra"]],
    ["list, by a word of no title", ["/sessions?q=giraffe"]],
    ["inbox", ["/inbox"]],
    ["inbox, what needs attention", ["/inbox?needs_attention=true"]],
    ["inbox counts", ["/inbox/counts"]],
    ["history, newest page", [`/sessions/${long}/messages?order=desc`]],
    ["history, first page", [`/sessions/${long}/messages`]],
    ["history, newest prompts", [`/sessions/${long}/messages?order=desc&role=user&limit=10`]],
    ["log, newest 100 events", [`/sessions/${long}/events?order=desc&limit=100`]],
    [
      "open a session",
      [`/sessions/${long}`, `/sessions/${long}/messages?order=desc`, `/sessions/${long}/events?order=desc&limit=100`],
    ],
  ];
}
