import { positionText } from "../../../shared/domain/session/session-keys.decisions.ts";
import type { Inspection } from "../../../shared/ports/git-hosts.ts";
import { InboxStatus, type Session } from "../../../shared/protocol/session.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { startSessions, type Sessions } from "./support.ts";

let sessions: Sessions;
let owner: TokenAnswer;
beforeAll(async () => {
  sessions = await startSessions();
  const found: Inspection = { kind: "found", facts: { defaultBranch: "main", branches: new Map([["main", "c0"]]) } };
  sessions.deps.gitHosts.inspect = async () => found;
});
afterAll(() => sessions.stop());
beforeEach(async () => {
  owner = await sessions.register();
});

const ask: Sessions["ask"] = (method, path, body) => sessions.ask(method, path, body, owner);

/** Every page of a list, from one on. */
async function all(query: string, from: unknown = null): Promise<string[]> {
  const ids: string[] = [];
  let cursor = typeof from === "string" ? `&cursor=${from}` : "";
  do {
    const { body } = await ask("GET", `/sessions?${query}${cursor}`);
    ids.push(...(body["data"] as Session[]).map(({ id }) => id));
    cursor = typeof body["next_cursor"] === "string" ? `&cursor=${body["next_cursor"]}` : "";
  } while (cursor !== "");
  return ids;
}

async function make(body: unknown, then: Record<string, unknown> = {}): Promise<Session> {
  sessions.clock.advance(1000);
  const session = await sessions.create(body, owner);
  if (Object.keys(then).length === 0) return session;
  return (await ask("PATCH", `/sessions/${session.id}`, then)).body as unknown as Session;
}

const matches = (session: Session, query: URLSearchParams): boolean => {
  const word = query.get("q");
  const status: string = session.inbox_status;
  return (
    [null, status].includes(query.get("inbox_status")) &&
    [null, session.repo].includes(query.get("repo")) &&
    [null, session.parent].includes(query.get("parent")) &&
    (word === null ||
      session.title
        .toLowerCase()
        .split(" ")
        .some((one) => one.startsWith(word)))
  );
};

it("every combination of filters finds exactly what matches, page by page, latest activity first", async () => {
  const parents = [await make({}), await make({})];
  const made: Session[] = [...parents];
  const pick = <T>(from: readonly T[], index: number) => from[index % from.length]!;
  for (let index = 0; index < 40; index += 1) {
    const parent = pick([null, parents[0]!.id, parents[1]!.id], index);
    const repo = parent ? null : pick(["acme/one", "acme/two", null], Math.floor(index / 3));
    const title = `${pick(["Fix login", "Add tests", "Fix tests"], Math.floor(index / 2))} ${index}`;
    made.push(await make({ parent, repo }, { title, inbox_status: pick(InboxStatus.options, Math.floor(index / 5)) }));
  }
  const newest = made.toReversed();
  for (const inbox_status of [null, ...InboxStatus.options]) {
    for (const repo of [null, "acme/one", "acme/two"]) {
      for (const parent of [null, parents[0]!.id]) {
        for (const q of [null, "fix", "te"]) {
          const given = Object.entries({ inbox_status, repo, parent, q }).filter(([, value]) => value !== null);
          const query = new URLSearchParams(given as [string, string][]);
          const expected = newest.filter((session) => matches(session, query)).map(({ id }) => id);
          const text = query.toString();
          expect([text, await all(`limit=3&${text}`)]).toEqual([text, expected]);
        }
      }
    }
  }
}, 120_000);

it("a repository is found however it is written", async () => {
  const session = await make({ repo: "acme/one" });
  for (const repo of ["acme/one", "https://git.test/acme/one"]) {
    expect(await all(`repo=${encodeURIComponent(repo)}`)).toEqual([session.id]);
  }
  expect(await all("repo=acme/other")).toEqual([]);
});

it("words of the title are found by their beginnings, whatever their case, accents and language", async () => {
  const titles = [
    "Crème brûlée Über-Rezept",
    "日本語で話して",
    "FIX the Login page",
    "Ελληνικά και Русский",
    "可以搜索的标题",
  ];
  const ids = new Map<string, string>();
  for (const title of titles) ids.set(title, (await make({}, { title })).id);
  const find = async (q: string) => all(`q=${encodeURIComponent(q)}`);
  for (const [q, title] of [
    ["creme", titles[0]],
    ["BRÛ uber", titles[0]],
    ["日本", titles[1]],
    ["fix", titles[2]],
    ["page login", titles[2]],
    ["ελλην", titles[3]],
    ["РУС", titles[3]],
    ["标题", titles[4]],
  ] as const) {
    expect([q, await find(q)]).toEqual([q, [ids.get(title!)]]);
  }
  for (const q of ["fixed", "ogin", "!!!", "login creme"]) expect([q, await find(q)]).toEqual([q, []]);
  expect((await ask("GET", "/sessions?q=")).status).toBe(422);
});

it("a title that changes is found by its new words only", async () => {
  const { id } = await make({}, { title: "alpha beta" });
  await ask("PATCH", `/sessions/${id}`, { title: "beta gamma" });
  expect(await all("q=alpha")).toEqual([]);
  expect(await all("q=beta")).toEqual([id]);
  expect(await all("q=gam")).toEqual([id]);
});

it("nobody is met twice while sessions become active, and a cursor stays good", async () => {
  const made: Session[] = [];
  for (let index = 0; index < 12; index += 1) made.push(await make({ messages: { note: index } }));
  const order = made.map(({ id }) => id).toReversed();
  const first = await ask("GET", "/sessions?limit=4");
  const rest = () => all("limit=4", first.body["next_cursor"]);
  // One that was seen and one that was not come to the top.
  for (const id of [order[2], order[8]]) {
    sessions.clock.advance(1000);
    await ask("POST", `/sessions/${id}/messages`, { content: "go on" });
  }
  expect(await rest()).toEqual(order.slice(4).filter((id) => id !== order[8]));
  expect((await all("limit=5")).slice(0, 2)).toEqual([order[8], order[2]]);
  // The end of a page may be deleted meanwhile.
  await ask("DELETE", `/sessions/${order[3]}`);
  expect(await rest()).toEqual(order.slice(4).filter((id) => id !== order[8]));
});

it("sessions of the same millisecond are all met", async () => {
  const ids = [];
  for (let index = 0; index < 7; index += 1) ids.push((await sessions.create({}, owner)).id);
  expect(await all("limit=2")).toEqual(ids.toSorted().toReversed());
  expect(await all("limit=2&inbox_status=active")).toEqual(ids.toSorted().toReversed());
});

it("a change of status moves a session between lists at once, and not to the top", async () => {
  const older = await make({});
  const newer = await make({});
  sessions.clock.advance(1000);
  await ask("PATCH", `/sessions/${older.id}`, { inbox_status: "completed" });
  expect(await all("inbox_status=active")).toEqual([newer.id]);
  expect(await all("inbox_status=completed")).toEqual([older.id]);
  expect(await all("")).toEqual([newer.id, older.id]);
});

it("a session that is prompted while it changes status is in its place in every list", async () => {
  for (let round = 0; round < 12; round += 1) {
    const { id } = await make({ repo: "acme/one" });
    sessions.clock.advance(1000);
    await Promise.all([
      ask("PATCH", `/sessions/${id}`, { inbox_status: "pending" }),
      ask("POST", `/sessions/${id}/messages`, { content: "go on" }),
    ]);
    const { data } = await sessions.entities.session.get(sessions.keyOf({ id }, owner)).go();
    const at = positionText({ at: data!.last_activity_at, id });
    expect([data!.inbox_status, data!.in_repo_at]).toEqual(["pending", at]);
    expect(data!.in_repo).toMatch(/#pending$/);
  }
});
