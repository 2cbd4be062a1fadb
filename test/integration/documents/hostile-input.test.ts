import fc from "fast-check";
import { documentedOperations, openApi, type DocumentedOperation } from "../../support/openapi.ts";
import { resolved, type Json } from "../../support/json-schema.ts";
import { startDocumentsWorld, type Ask, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await startDocumentsWorld();
});
afterAll(() => world.stop());

const clean = Object.getOwnPropertyNames(Object.prototype).toSorted();

const text = fc.oneof(
  fc.constantFrom(
    "",
    "..",
    "%00",
    "null",
    "-1",
    "1e400",
    "999999999999999999999",
    "\u0000",
    "__proto__",
    "💥",
    "a#b?c=d",
  ),
  fc.string({ unit: "grapheme", maxLength: 40 }),
);
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-1, 0.5, 2 ** 53, Number.MAX_VALUE));
const anything = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue(),
  fc.array(text, { maxLength: 3 }),
);
const names = fc.constantFrom("__proto__", "constructor", "toString", "id", "tenant_id", "no_such_field");

function bodyNames({ operation }: DocumentedOperation): string[] {
  const content = (operation.requestBody as { content?: Record<string, { schema: Json }> } | undefined)?.content;
  const schema = content ? resolved(openApi(), content["application/json"]?.schema ?? {}) : {};
  return Object.keys((schema["properties"] ?? {}) as Json);
}

/** The operation's own names with whatever values, and names that it does not have. */
function askOf(operation: DocumentedOperation): fc.Arbitrary<Ask> {
  const own = bodyNames(operation);
  const query = (operation.operation.parameters ?? []).flatMap((one) =>
    "in" in one && one.in === "query" ? [one.name] : [],
  );
  const named = (known: string[]) =>
    known.length > 0 ? fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, names) : names;
  return fc
    .record({
      segments: fc.array(text, { minLength: 3, maxLength: 3 }),
      pairs: fc.array(fc.tuple(named(query), text), { maxLength: 3 }),
      members: fc.array(fc.tuple(named(own), anything), { maxLength: 5 }),
      key: fc.option(text, { nil: undefined }),
    })
    .map(({ segments, pairs, members, key }) => {
      const path = operation.path.replaceAll(/\{\w+\}/g, () => segments.shift() ?? "x");
      const header: Record<string, string> =
        key === undefined || !/^[\x20-\x7e]*$/.test(key) ? {} : { "idempotency-key": key };
      const search = pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
      return { path, query: search, body: Object.fromEntries(members), headers: header };
    });
}

/** What it answers is as documented, and no 500: `world.call` sees to the first. */
test.each(documentedOperations().map((operation) => [operation.operation.operationId, operation] as const))(
  "%s takes or refuses whatever comes",
  async (_id, operation) => {
    await fc.assert(
      fc.asyncProperty(askOf(operation), async (ask) => {
        const startedMs = performance.now();
        const token = operation.operation.security.length > 0 ? await world.tokenOf(world.owner) : undefined;
        const answer = await world.call(operation.method, { ...ask, token });
        expect(answer.status).toBeLessThan(500);
        expect(performance.now() - startedMs).toBeLessThan(10_000);
      }),
      { numRuns: 12 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype).toSorted()).toEqual(clean);
  },
);
