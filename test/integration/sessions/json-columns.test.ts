import { startSessions, type Sessions } from "./support.ts";

let sessions: Sessions;
beforeAll(async () => {
  sessions = await startSessions();
});
afterAll(() => sessions.stop());

/** The text of a column in an answer, as it travels. */
function columnText(answer: string, name: string, next: string): string {
  return answer.slice(answer.indexOf(`"${name}":`) + name.length + 3, answer.indexOf(`,"${next}":`));
}
const messagesOf = (text: string) => columnText(text, "messages", "inbox_status");
const configOf = (text: string) => columnText(text, "sbx_config", "parent");

const texts: [string, string][] = [
  ["keys in their order", '{"b":1,"a":{"z":[],"y":{}}}'],
  ["keys that look like numbers", '{"b":1,"2":0,"1":0,"10":{"9":1,"8":[{"1":0,"0":1}]}}'],
  ["the key __proto__", '{"__proto__":{"__proto__":1,"constructor":2},"toString":null}'],
  ["large and precise numbers", "[12345678901234567890,1.10,1e400,-0,0.1000000000000000055511151231257827]"],
  ["unicode", '{"ключ":"значение 🙂","\u2028":"\u2029","\ufeff":"\u0085"}'],
  ["halves of characters", '["\\ud800","\\udc00\\ud800",{"\\udfff":1}]'],
  ["escapes", '"\\u0000\\u001f\\"\\\\\\/\\b"'],
  ["nothing much", '[null,true,false,0,"",[],{}]'],
];

it.each(texts)("messages come back as given: %s", async (_name, text) => {
  sessions.clock.advance(1000);
  const created = await sessions.askRaw("POST", "/sessions", `{ "messages" :${text} }`);
  expect([created.status, messagesOf(created.text)]).toEqual([201, text]);
  const path = `/sessions/${String(created.body["id"])}`;
  expect(messagesOf((await sessions.ask("GET", path)).text)).toBe(text);
  const listed = await sessions.ask("GET", "/sessions?limit=1");
  expect(listed.text).toContain(`"messages":${text},"inbox_status"`);
});

it.each(texts)("and so do both columns of PUT and PATCH: %s", async (_name, text) => {
  const { id } = await sessions.create();
  const config = `{"mine":${text}}`;
  const put = await sessions.askRaw(
    "PUT",
    `/sessions/${id}`,
    `{"inbox_status":"active","sbx_config":${config},"messages":\n${text}\t}`,
  );
  expect([put.status, messagesOf(put.text), configOf(put.text)]).toEqual([200, text, config]);
  const patched = await sessions.askRaw("PATCH", `/sessions/${id}`, `{"messages":[${text}]}`);
  expect([messagesOf(patched.text), configOf(patched.text)]).toEqual([`[${text}]`, config]);
  expect(messagesOf((await sessions.ask("GET", `/sessions/${id}`)).text)).toBe(`[${text}]`);
});

const limit = 200 * 1024;
/** A JSON text of exactly so many bytes. */
function ofBytes(bytes: number): string {
  const free = bytes - '{"text":""}'.length;
  return JSON.stringify({ text: "é".repeat(free / 2) + "x".repeat(free % 2) });
}

it("both hold 200 KB, and not a byte more", async () => {
  expect(Buffer.byteLength(ofBytes(limit))).toBe(limit);
  const { id } = await sessions.create();
  const put = (messages: string, config: string) =>
    sessions.askRaw(
      "PUT",
      `/sessions/${id}`,
      `{"inbox_status":"active","messages":${messages},"sbx_config":${config}}`,
    );
  const full = await put(ofBytes(limit), ofBytes(limit));
  expect([full.status, messagesOf(full.text) === ofBytes(limit), configOf(full.text) === ofBytes(limit)]).toEqual([
    200,
    true,
    true,
  ]);
  expect((await sessions.ask("GET", `/sessions/${id}`)).text).toBe(full.text);
  for (const [messages, config] of [
    [ofBytes(limit + 1), "null"],
    ["null", ofBytes(limit + 1)],
  ]) {
    const refused = await put(messages!, config!);
    expect(refused.body).toMatchObject({ status: 413, code: "payload_too_large" });
  }
  const patched = await sessions.askRaw("PATCH", `/sessions/${id}`, `{"messages":${ofBytes(limit + 1)}}`);
  expect(patched.body).toMatchObject({ status: 413, code: "payload_too_large" });
  const created = await sessions.askRaw("POST", "/sessions", `{"messages":${ofBytes(limit + 1)}}`);
  expect(created.body).toMatchObject({ status: 413, code: "payload_too_large" });
  expect((await sessions.ask("GET", `/sessions/${id}`)).text).toBe(full.text);
});

it("white space between the parts of a column does not count", async () => {
  const spaced = `{"messages":[${" ".repeat(limit)}1,\n2]}`;
  const created = await sessions.askRaw("POST", "/sessions", spaced);
  expect([created.status, messagesOf(created.text)]).toEqual([201, "[1,2]"]);
});

it("a body of more than 512 KB is a 413 before it is looked at", async () => {
  const refused = await sessions.askRaw("POST", "/sessions", `{"messages":"${"x".repeat(512 * 1024)}"}`);
  expect(refused.body).toMatchObject({ status: 413, code: "payload_too_large" });
});

it("a column grows out of its row and back into it", async () => {
  const { id } = await sessions.create();
  const key = sessions.keyOf({ id });
  const documents = async () => (await sessions.entities.sessionDocument.query.bySession(key).go()).data.length;
  for (const [bytes, rows] of [
    [100, 0],
    [10_000, 1],
    [20_000, 1],
    [100, 0],
  ] as const) {
    await sessions.askRaw("PATCH", `/sessions/${id}`, `{"messages":${ofBytes(bytes)}}`);
    expect(await documents()).toBe(rows);
    expect(messagesOf((await sessions.ask("GET", `/sessions/${id}`)).text)).toBe(ofBytes(bytes));
  }
  // A prompt writes the row into every index: what is large is not in it.
  await sessions.askRaw("PATCH", `/sessions/${id}`, `{"messages":${ofBytes(100_000)}}`);
  const row = await sessions.entities.session.get(key).go();
  expect(Buffer.byteLength(JSON.stringify(row.data))).toBeLessThan(2000);
});

it("a reader sees a column whole while others replace it", async () => {
  const { id } = await sessions.create();
  const values = [ofBytes(50), ofBytes(5000), ofBytes(60_000)];
  const writes = Promise.all(
    [...values, ...values].map((text) => sessions.askRaw("PATCH", `/sessions/${id}`, `{"messages":${text}}`)),
  );
  for (let reads = 0; reads < 30; reads += 1) {
    const { status, text } = await sessions.ask("GET", `/sessions/${id}`);
    expect([status, [...values, "null"].includes(messagesOf(text))]).toEqual([200, true]);
  }
  expect((await writes).map(({ status }) => status)).toEqual(values.concat(values).map(() => 200));
});

it("a page is cut to what fits one answer, and its cursor goes on", async () => {
  const tenant = await sessions.register();
  // The worst there is: each quote and each backslash takes another byte in the answer of a Lambda.
  const text = JSON.stringify({ text: '"\\'.repeat(50_000) });
  const ids: string[] = [];
  for (let made = 0; made < 14; made += 1) {
    sessions.clock.advance(1000);
    const created = await sessions.askRaw("POST", "/sessions", `{"messages":${text}}`, tenant);
    ids.unshift(String(created.body["id"]));
  }
  const seen: string[] = [];
  let cursor = "";
  let pages = 0;
  do {
    const answer = await sessions.ask("GET", `/sessions?limit=100${cursor}`, undefined, tenant);
    expect(Buffer.byteLength(JSON.stringify(answer.text))).toBeLessThan(5 * 1024 * 1024);
    seen.push(...(answer.body["data"] as { id: string }[]).map(({ id }) => id));
    const next = answer.body["next_cursor"];
    cursor = typeof next === "string" ? `&cursor=${next}` : "";
    pages += 1;
  } while (cursor !== "");
  expect(seen).toEqual(ids);
  expect(pages).toBeGreaterThan(1);
});
