import fc from "fast-check";
import * as z from "zod";
import { bearerOf } from "../../../functions/kit/bearer.ts";
import { httpHandler, type HttpKitDeps } from "../../../functions/kit/http.ts";
import { readKey } from "../../../functions/kit/idempotency.ts";
import { parseJsonBody } from "../../../functions/kit/json-body.ts";
import { routesOver } from "../../../functions/kit/route.ts";
import { signedCursors } from "../../../shared/adapters/cursors-signed.ts";
import { AppError } from "../../../shared/errors.ts";
import { ClientFrame } from "../../../shared/protocol/client-frame.ts";
import { SandboxFrame } from "../../../shared/protocol/sandbox-frame.ts";
import { Problem } from "../../../shared/protocol/problem.ts";
import { fixedSecret, silentLog } from "../../support/fakes.ts";
import { httpApiEvent, type TestRequest } from "../../support/http-event.ts";

/** Names that reach an object's prototype where somebody copies carelessly. */
const hostileName = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "toJSON",
);
const anyName = fc.oneof(hostileName, fc.string({ unit: "binary" }));
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "null", "-0", "1e999", "NaN", "\u0000", "\ud800", "%", "%00", "%ff", "..", "//", "{}", "[", "\\"),
  fc.string({ unit: fc.constantFrom("[", "{", '"', "\\", ":", ",", "]", "}", "0", "e") }),
);
/** JSON of any shape, with such names at any depth. */
const hostileJson = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: "small" }, fc.jsonValue(), tie("object"), fc.array(tie("value"), { maxLength: 3 })),
  object: fc
    .array(fc.tuple(anyName, tie("value")), { maxLength: 4 })
    .map((members) => Object.fromEntries(members.map(([name, value]) => [name, value ?? null]))),
})).value;

const clean = Object.getOwnPropertyNames(Object.prototype).toSorted();
afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype).toSorted()).toEqual(clean);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

const route = routesOver<HttpKitDeps>();
const described = { summary: "Says what came", tag: "Platform" } as const;
const Echo = z.object({ a: z.unknown(), b: z.unknown(), c: z.unknown() });
const routes = [
  route({
    method: "POST",
    path: "/things/{name}",
    id: "echo",
    ...described,
    needs: "public",
    params: z.object({ name: z.string() }),
    query: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    body: z.looseObject({ list: z.array(z.number()).optional() }),
    answers: { 200: Echo },
    run: async ({ input }) => ({ status: 200, body: { a: input.params, b: input.query, c: input.body } }),
  }),
  route({
    method: "GET",
    path: "/files/{path+}",
    id: "readFile",
    ...described,
    needs: "session.read",
    params: z.object({ path: z.string() }),
    answers: { 200: z.object({ path: z.string() }) },
    run: async ({ input }) => ({ status: 200, body: input.params }),
  }),
];
const deps: HttpKitDeps = {
  clock: { now: () => 0 },
  log: silentLog,
  ids: { uuid: () => "00000000-0000-4000-8000-000000000000" },
  table: {} as HttpKitDeps["table"],
  seal: {} as HttpKitDeps["seal"],
  limit: async () => null,
  authenticate: async (bearer) => {
    if (bearer !== "good") throw new AppError("unauthenticated");
    return { tenantId: "ten_1", userId: "usr_1", role: "owner", generation: 1 };
  },
};
const handler = httpHandler(routes, () => deps);

/** Every answer is one that a client understands, in no time. */
async function answerTo(request: TestRequest) {
  const startedMs = performance.now();
  const answer = await handler(httpApiEvent(request));
  expect(performance.now() - startedMs).toBeLessThan(2000);
  const status = answer.statusCode ?? 0;
  expect(status).toBeLessThan(500);
  if (status >= 400 && request.method !== "HEAD")
    expect(Problem.parse(JSON.parse(answer.body ?? "")).status).toBe(status);
  return { status, body: status === 200 && answer.body ? (JSON.parse(answer.body) as Record<string, unknown>) : null };
}

const post = (body: string, more: Partial<TestRequest> = {}) =>
  answerTo({ method: "POST", path: "/things/a", headers: { "content-type": "application/json" }, body, ...more });

describe("a body", () => {
  test("of any text is parsed as JSON is, or refused with a code", () =>
    fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const sent = Buffer.from(text).toString("utf8");
        const { status } = await post(sent);
        expect([200, 400, 422]).toContain(status);
        let expected: unknown;
        try {
          expected = sent.trim() === "" ? {} : JSON.parse(sent);
        } catch {
          expect(() => parseJsonBody(sent, undefined)).toThrow(AppError);
          return;
        }
        expect(parseJsonBody(sent, undefined)).toEqual(expected);
      }),
      { numRuns: 500 },
    ));

  test("keeps hostile names as what they are: names", () =>
    fc.assert(
      fc.asyncProperty(hostileJson, async (value) => {
        const { status, body } = await post(JSON.stringify(value ?? null));
        expect([200, 422]).toContain(status);
        if (!body) return;
        // Zod takes no member of this one name; all others, and whatever lies below, come through.
        const members = Object.entries(value as object).filter(([name]) => name !== "__proto__");
        expect(JSON.stringify(body["c"])).toBe(JSON.stringify(Object.fromEntries(members)));
      }),
      { numRuns: 300 },
    ));

  test.each([
    ["nested lists", "[".repeat(250_000)],
    ["nested objects", '{"a":'.repeat(80_000)],
    ["quotes and backslashes", `"${'\\"'.repeat(200_000)}`],
    ["a long number", "9".repeat(500_000)],
    ["white space", " ".repeat(500_000)],
    ["members of one name", `{${'"a":1,'.repeat(70_000)}"a":1}`],
  ])("of %s takes no time", async (_name, text) => {
    await post(text);
  });
});

test("any headers are read or refused", () =>
  fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc.oneof(fc.constantFrom("authorization", "idempotency-key", "content-type", "cookie"), anyName),
        anyText,
        {
          maxKeys: 5,
        },
      ),
      fc.constantFrom("GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE", "a b", ""),
      async (headers, method) => {
        // A key that is one reaches the table: test/integration/idempotency.
        const { "idempotency-key": key = "a b", ...others } = headers;
        const unkeyed = /^[\x21-\x7e]+$/.test(key) ? others : headers;
        await answerTo({ method, path: "/things/a", headers: unkeyed, body: "{}" });
      },
    ),
    { numRuns: 500 },
  ));

test("any path and query are read or refused", () =>
  fc.assert(
    fc.asyncProperty(
      anyText,
      fc.array(fc.tuple(anyName, anyText), { maxLength: 4 }),
      anyText,
      async (path, pairs, raw) => {
        const encoded = pairs
          .map((pair) => pair.map((part) => encodeURIComponent(part.toString().replaceAll(/[\ud800-\udfff]/g, ""))))
          .map((pair) => pair.join("="))
          .join("&");
        for (const query of [encoded, raw]) {
          await post("{}", { path: `/things/${path}`, query });
          await answerTo({ method: "GET", path: `/files/${path}`, query, headers: { authorization: "Bearer good" } });
        }
      },
    ),
    { numRuns: 300 },
  ));

test("a repeated parameter is a list, also under a hostile name", async () => {
  const { body } = await post("{}", { query: "a=1&b=2&a=3&__proto__=x&__proto__=y&constructor=z" });
  expect(JSON.stringify(body?.["b"])).toBe('{"a":["1","3"],"b":"2","constructor":"z"}');
});

test("an Idempotency-Key is taken as it is, or refused", () =>
  fc.assert(
    fc.property(fc.oneof(anyText, fc.string({ minLength: 200, maxLength: 300 })), (text) => {
      const isKey = text.length >= 1 && text.length <= 255 && [...text].every((char) => char > " " && char < "\u007f");
      if (isKey) expect(readKey(text)).toBe(text);
      else expect(() => readKey(text)).toThrow(AppError);
    }),
    { numRuns: 500 },
  ));

test("a bearer is found in linear time", () =>
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("B", "earer", " ", "\t", "a", "="), maxLength: 5000 }), (header) => {
      const startedMs = performance.now();
      const bearer = bearerOf(header);
      expect(performance.now() - startedMs).toBeLessThan(500);
      expect(bearer === null || /^\S+$/.test(bearer)).toBe(true);
    }),
    { numRuns: 200 },
  ));

describe("a cursor", () => {
  const cursors = signedCursors(fixedSecret("the platform's secret"));

  test("of any text opens only where it was sealed", () =>
    fc.assert(
      fc.asyncProperty(anyText, anyText, anyText, async (text, tenant, list) => {
        const wellFormed = Buffer.from(text).toString("utf8");
        await expect(cursors.open(text, tenant, list)).rejects.toMatchObject({ code: "bad_request" });
        const sealed = await cursors.seal(wellFormed, tenant, list);
        expect(await cursors.open(sealed, tenant, list)).toBe(wellFormed);
        await expect(cursors.open(sealed, `${tenant}x`, list)).rejects.toMatchObject({ code: "bad_request" });
        await expect(cursors.open(sealed, tenant, `${list}x`)).rejects.toMatchObject({ code: "bad_request" });
      }),
      { numRuns: 200 },
    ));

  test("with one bit changed is refused", async () => {
    const sealed = Buffer.from(await cursors.seal("seq#12", "ten_1", "messages"), "base64url");
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await expect(cursors.open(changed.toString("base64url"), "ten_1", "messages")).rejects.toMatchObject({
        code: "bad_request",
      });
    }
  });
});

describe.each([
  ["a user's", ClientFrame],
  ["a sandbox's", SandboxFrame],
] as const)("%s frame", (_whose, schema) => {
  const types = schema.options.map((option) => option.shape.type.value as string);
  const fields = [...new Set(schema.options.flatMap((option) => Object.keys(option.shape)))];

  test("of any shape is parsed or refused, and has no field that the protocol does not know", () =>
    fc.assert(
      fc.property(
        fc.constantFrom(...types, "__proto__", "constructor"),
        fc.dictionary(fc.oneof(fc.constantFrom(...fields), anyName), fc.oneof(anyText, fc.integer(), hostileJson), {
          maxKeys: 8,
        }),
        (type, members) => {
          const parsed = schema.safeParse(JSON.parse(JSON.stringify({ ...members, type })));
          if (!parsed.success) return;
          expect(Object.getPrototypeOf(parsed.data)).toBe(Object.prototype);
          expect(Object.keys(parsed.data).filter((name) => !fields.includes(name))).toEqual([]);
        },
      ),
      { numRuns: 500 },
    ));
});
