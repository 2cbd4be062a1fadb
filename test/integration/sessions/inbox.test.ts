import { transition } from "../../../shared/domain/conversation/conversation.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import type { InboxCounts, InboxItem } from "../../../shared/protocol/inbox.ts";
import { startSessions, unknownId, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeEach(async () => {
  sessions = await startSessions();
});
afterEach(() => sessions.stop());

const inbox = async (query = "", as?: TokenAnswer) =>
  (await sessions.ask("GET", `/inbox?${query}`, undefined, as)).body["data"] as InboxItem[];
const idsIn = async (query: string, as?: TokenAnswer) => (await inbox(query, as)).map(({ session }) => session.id);
const needing = (as?: TokenAnswer) => idsIn("needs_attention=true", as);
const counts = async (as?: TokenAnswer) =>
  (await sessions.ask("GET", "/inbox/counts", undefined, as)).body as unknown as InboxCounts;
const markRead = (id: string, seq: number, as?: TokenAnswer) =>
  sessions.ask("PUT", `/sessions/${id}/read`, { seq }, as);
const prompt = (id: string, as?: TokenAnswer) =>
  sessions.ask("POST", `/sessions/${id}/messages`, { content: "go on" }, as);
const withPrompt = () => {
  sessions.clock.advance(1000);
  return sessions.create({ messages: { content: "Build a clock" } });
};

/** As a tool call that a person has to approve would leave it. */
const waitForApproval = (session: { id: string }) =>
  transition(sessions.deps, sessions.keyOf(session), ({ head }) => ({
    rows: [],
    change: { status: "waiting" },
    result: head,
  }));

it("an item is the session with its state and what the reader has to do", async () => {
  const session = await withPrompt();
  expect(await inbox()).toEqual([
    {
      session,
      status: "running",
      last_activity_at: session.created_at,
      unread: false,
      needs_attention: false,
      reasons: [],
    },
  ]);
});

it("an approval that waits, a turn that failed and an unread answer need attention, and nothing else does", async () => {
  const [resting, waiting, failed, unread] = [
    await sessions.create(),
    await withPrompt(),
    await withPrompt(),
    await withPrompt(),
  ];
  await waitForApproval(waiting);
  await sessions.finishTurn(failed, "error");
  sessions.clock.advance(1000);
  await sessions.finishTurn(unread);
  const items = new Map((await inbox()).map((item) => [item.session.id, item]));
  const of = ({ id }: { id: string }) => items.get(id)!;
  expect(of(resting)).toMatchObject({ status: "idle", needs_attention: false, reasons: [] });
  expect(of(waiting)).toMatchObject({ status: "waiting", needs_attention: true, reasons: ["approval"], unread: false });
  expect(of(failed)).toMatchObject({ status: "failed", reasons: ["failed", "unread"], unread: true });
  expect(of(unread)).toMatchObject({ status: "idle", reasons: ["unread"], unread: true });
  expect(await needing()).toEqual([unread.id, failed.id, waiting.id].sort((a, b) => rank(a) - rank(b)));
  expect(await counts()).toMatchObject({ unread: 2, needs_attention: 3 });

  function rank(id: string): number {
    return [unread.id, ...[failed.id, waiting.id].sort().reverse()].indexOf(id);
  }
});

it("attention ends: by the next prompt, by reading, by the person's decision", async () => {
  const [waiting, failed, unread] = [await withPrompt(), await withPrompt(), await withPrompt()];
  await waitForApproval(waiting);
  await sessions.finishTurn(failed, "error");
  await sessions.finishTurn(unread);
  await prompt(failed.id);
  await transition(sessions.deps, sessions.keyOf(waiting), () => ({
    rows: [],
    change: { status: "tools" },
    result: null,
  }));
  expect((await needing()).sort()).toEqual([failed.id, unread.id].sort());
  const { head } = (await sessions.conversation(unread))!;
  expect((await markRead(unread.id, head)).body).toEqual({ session_id: unread.id, read_seq: head, unread: false });
  await markRead(failed.id, 1_000_000);
  expect(await needing()).toEqual([]);
  expect(await counts()).toMatchObject({ unread: 0, needs_attention: 0 });
});

it("the unread mark is each user's own: of those who prompted", async () => {
  const colleague = await sessions.join(sessions.owner, "member");
  const onlooker = await sessions.join(sessions.owner, "viewer");
  const session = await withPrompt();
  await sessions.finishTurn(session);
  expect([await needing(), await needing(colleague)]).toEqual([[session.id], []]);
  await prompt(session.id, colleague);
  await sessions.finishTurn(session);
  expect([await needing(), await needing(colleague), await needing(onlooker)]).toEqual([
    [session.id],
    [session.id],
    [],
  ]);
  await markRead(session.id, 1_000_000);
  expect([await needing(), await needing(colleague)]).toEqual([[], [session.id]]);
  expect([(await counts()).unread, (await counts(colleague)).unread]).toEqual([0, 1]);
});

it("marks only go forward, and an answer behind the mark stays unread", async () => {
  const session = await withPrompt();
  await sessions.finishTurn(session);
  const first = (await sessions.conversation(session))!.head;
  await prompt(session.id);
  await sessions.finishTurn(session);
  const second = (await sessions.conversation(session))!.head;
  expect((await markRead(session.id, first)).body).toMatchObject({ read_seq: first, unread: true });
  expect((await markRead(session.id, second)).body).toMatchObject({ read_seq: second, unread: false });
  expect((await markRead(session.id, 1)).body).toMatchObject({ read_seq: second, unread: false });
  expect((await markRead(session.id, -1)).status).toBe(422);
  expect((await markRead(session.id, 1.5)).status).toBe(422);
  expect((await markRead(unknownId, 1)).status).toBe(404);
  const stranger = await sessions.register();
  expect((await markRead(session.id, 1, stranger)).status).toBe(404);
});

it("a viewer may mark what they have read", async () => {
  const viewer = await sessions.join(sessions.owner, "viewer");
  const { id } = await withPrompt();
  expect((await markRead(id, 2, viewer)).body).toEqual({ session_id: id, read_seq: 2, unread: false });
});

it("the statuses are counted with every change, whoever makes it", async () => {
  const stranger = await sessions.register();
  await sessions.create({}, stranger);
  const none = { pending: 0, active: 0, completed: 0, archived: 0 };
  expect((await counts()).inbox_status).toEqual(none);
  const made = await Promise.all(Array.from({ length: 12 }, () => sessions.create()));
  expect((await counts()).inbox_status).toEqual({ ...none, active: 12 });
  const moves = made.flatMap(({ id }, index) =>
    index < 8 ? [sessions.ask("PATCH", `/sessions/${id}`, { inbox_status: index % 2 ? "archived" : "pending" })] : [],
  );
  await Promise.all(moves);
  expect((await counts()).inbox_status).toEqual({ pending: 4, active: 4, completed: 0, archived: 4 });
  await Promise.all([
    ...made.slice(0, 4).map(({ id }) => sessions.ask("DELETE", `/sessions/${id}`)),
    sessions.ask("PATCH", `/sessions/${made[4]!.id}`, { inbox_status: "active" }),
    sessions.ask("PATCH", `/sessions/${made[4]!.id}`, { inbox_status: "completed" }),
    sessions.ask("PATCH", `/sessions/${made[4]!.id}`, { inbox_status: "archived" }),
  ]);
  const { inbox_status } = await counts();
  expect(Object.values(inbox_status).reduce((sum, one) => sum + one)).toBe(8);
  for (const [status, count] of Object.entries(inbox_status)) {
    expect([status, (await sessions.list(`inbox_status=${status}`)).length]).toEqual([status, count]);
  }
});

it("filters go together with needs_attention, and its pages too", async () => {
  const made = [];
  for (let index = 0; index < 7; index += 1) {
    const session = await withPrompt();
    await sessions.ask("PATCH", `/sessions/${session.id}`, {
      title: index % 2 ? `odd ${index}` : `even ${index}`,
      inbox_status: index < 4 ? "pending" : "active",
    });
    await sessions.finishTurn(session, index === 3 ? "error" : "completed");
    made.unshift(session.id);
  }
  await sessions.create();
  const paged: string[] = [];
  let cursor = "";
  do {
    const { body } = await sessions.ask("GET", `/inbox?needs_attention=true&limit=2${cursor}`);
    paged.push(...(body["data"] as InboxItem[]).map(({ session }) => session.id));
    cursor = typeof body["next_cursor"] === "string" ? `&cursor=${body["next_cursor"]}` : "";
  } while (cursor !== "");
  expect(paged).toEqual(made);
  expect(await idsIn("needs_attention=true&inbox_status=pending")).toEqual(made.slice(3));
  expect(await idsIn("needs_attention=true&q=odd&inbox_status=pending")).toEqual([made[3], made[5]]);
  expect((await sessions.ask("GET", "/inbox?needs_attention=false")).status).toBe(422);
});

it("a cursor of the inbox is no cursor of the sessions", async () => {
  for (let index = 0; index < 3; index += 1) await withPrompt();
  const { body } = await sessions.ask("GET", "/inbox?limit=1");
  const cursor = String(body["next_cursor"]);
  expect((await sessions.ask("GET", `/inbox?limit=1&cursor=${cursor}`)).status).toBe(200);
  expect((await sessions.ask("GET", `/sessions?limit=1&cursor=${cursor}`)).status).toBe(400);
  expect((await sessions.ask("GET", `/inbox?limit=1&needs_attention=true&cursor=${cursor}`)).status).toBe(400);
});
