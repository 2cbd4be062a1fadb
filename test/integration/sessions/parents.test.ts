import { startSessions, unknownId, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());

const put = (id: string, parent: string | null) => sessions.ask("PATCH", `/sessions/${id}`, { parent });
const make = async (count: number): Promise<{ id: string }[]> =>
  Promise.all(Array.from({ length: count }, () => sessions.create()));

async function parentsOf(ids: string[]): Promise<Map<string, string | null>> {
  const read = await Promise.all(ids.map((id) => sessions.read({ id })));
  return new Map(read.map(({ id, parent }) => [id, parent]));
}

/** The first id that is above itself; null where there is none. */
function cycleIn(parents: Map<string, string | null>): string | null {
  for (const start of parents.keys()) {
    let at = parents.get(start) ?? null;
    for (let steps = 0; at !== null && steps <= parents.size; steps += 1) {
      if (at === start) return start;
      at = parents.get(at) ?? null;
    }
  }
  return null;
}

it("a parent is a session of the same tenant", async () => {
  const stranger = await sessions.register();
  const foreign = await sessions.create({}, stranger);
  const { id } = await sessions.create();
  for (const parent of [unknownId, foreign.id]) {
    for (const answer of [
      await sessions.ask("POST", "/sessions", { parent }),
      await put(id, parent),
      await sessions.ask("PUT", `/sessions/${id}`, { inbox_status: "active", parent }),
    ]) {
      expect(answer.body).toMatchObject({
        status: 404,
        code: "not_found",
        detail: "The parent session does not exist",
      });
    }
  }
  expect((await sessions.ask("POST", "/sessions", { parent: "nonsense" })).status).toBe(422);
  expect((await sessions.read({ id })).parent).toBeNull();
});

it("no session is above itself, at whatever distance", async () => {
  const [a, b, c] = (await make(3)) as [{ id: string }, { id: string }, { id: string }];
  expect((await put(b.id, a.id)).body["parent"]).toBe(a.id);
  expect((await put(c.id, b.id)).body["parent"]).toBe(b.id);
  for (const [child, parent] of [
    [a, a],
    [a, b],
    [a, c],
  ] as const) {
    const refused = await put(child.id, parent.id);
    expect(refused.body).toMatchObject({ status: 422, errors: [{ path: "body.parent" }] });
  }
  expect((await put(c.id, a.id)).status).toBe(200);
  expect((await put(b.id, c.id)).status).toBe(200);
  expect(cycleIn(await parentsOf([a.id, b.id, c.id]))).toBeNull();
  expect(await sessions.list(`parent=${a.id}`)).toEqual([c.id]);
  expect((await put(c.id, null)).body["parent"]).toBeNull();
  expect(await sessions.list(`parent=${a.id}`)).toEqual([]);
});

it("two that are put below each other at the same time: one of them is refused", async () => {
  for (let round = 0; round < 10; round += 1) {
    const [a, b] = (await make(2)) as [{ id: string }, { id: string }];
    const answers = await Promise.all([put(a.id, b.id), put(b.id, a.id)]);
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 422]);
    expect(cycleIn(await parentsOf([a.id, b.id]))).toBeNull();
  }
});

it("rings of many, closed at the same time from all sides, never close", async () => {
  for (let round = 0; round < 4; round += 1) {
    const ids = (await make(6)).map(({ id }) => id);
    const moves = ids.flatMap((id, index) => [
      put(id, ids[(index + 1) % ids.length]!),
      put(id, ids[(index + 2) % ids.length]!),
    ]);
    const answers = await Promise.all(moves);
    expect(answers.filter(({ status }) => ![200, 422, 503].includes(status))).toEqual([]);
    expect(cycleIn(await parentsOf(ids))).toBeNull();
  }
});

it("a line of sessions has an end", async () => {
  const ids = (await make(35)).map(({ id }) => id);
  const answers = [];
  for (let index = 1; index < ids.length; index += 1) answers.push(await put(ids[index]!, ids[index - 1]!));
  const refused = answers.findIndex(({ status }) => status !== 200);
  expect([refused, answers[refused]!.status]).toEqual([32, 422]);
});

it("a parent that is deleted while a child is made: there is no child of a session that is not there", async () => {
  for (let round = 0; round < 8; round += 1) {
    const parent = await sessions.create();
    const [deleted, created] = await Promise.all([
      sessions.ask("DELETE", `/sessions/${parent.id}`),
      sessions.ask("POST", "/sessions", { parent: parent.id }),
    ]);
    expect(deleted.status).toBe(204);
    expect([201, 404]).toContain(created.status);
    if (created.status === 201) expect((await sessions.read({ id: String(created.body["id"]) })).parent).toBeNull();
  }
});
