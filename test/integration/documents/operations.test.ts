import { meaningOf } from "../../../shared/errors.ts";
import type { ErrorCode } from "../../../shared/protocol/error-code.ts";
import { resolved, type Json } from "../../support/json-schema.ts";
import { documentedOperations, openApi, type DocumentedOperation } from "../../support/openapi.ts";
import { examples } from "./examples/all.ts";
import { genericDriver } from "./generic-errors.ts";
import { startDocumentsWorld, type Ask, type Example, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await startDocumentsWorld();
});
afterAll(() => world.stop());

const operations = documentedOperations();

/** Every code that the document has for the operation. */
function codesOf({ operation }: DocumentedOperation): ErrorCode[] {
  return Object.values(operation.responses).flatMap((reference) => {
    const response = resolved(openApi(), reference) as { content?: Record<string, { schema: { allOf?: Json[] } }> };
    const narrowed = response.content?.["application/problem+json"]?.schema.allOf?.[1];
    const { code } = (narrowed?.["properties"] ?? {}) as { code?: { enum: ErrorCode[] } };
    return code?.enum ?? [];
  });
}

/** These run the good request, or let its token expire. */
const spending = new Set<ErrorCode>(["idempotency_in_flight", "idempotency_mismatch", "token_expired"]);

/** Good statuses, each with the content types that it comes in. */
function goodAnswers({ operation }: DocumentedOperation): [number, string][] {
  return Object.entries(operation.responses).flatMap(([status, response]): [number, string][] => {
    const types = Object.keys((response["content"] ?? { "no body": null }) as Json);
    return Number(status) < 400 ? types.map((type) => [Number(status), type]) : [];
  });
}

async function asked(operation: DocumentedOperation, make: Example["ask"]): Promise<Ask> {
  const ask = await make(world);
  const isPublic = operation.operation.security.length === 0;
  return isPublic || ask.token !== undefined ? ask : { ...ask, token: await world.tokenOf(world.owner) };
}

test("every documented operation has an example, and every example an operation", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(Object.keys(examples).toSorted()).toEqual(ids.toSorted());
});

describe.each(operations.map((operation) => [operation.operation.operationId, operation] as const))(
  "%s",
  (id, operation) => {
    const example = () => {
      const found = examples[id];
      if (!found) throw new Error(`${id} has no example`);
      return found;
    };

    /** A request that never runs changes nothing: one will do for all errors that come before. */
    let unspent: Promise<Ask> | null = null;
    async function askFor(code: ErrorCode): Promise<Ask> {
      if (spending.has(code)) {
        unspent = null;
        return asked(operation, example().ask);
      }
      unspent ??= asked(operation, example().ask);
      return unspent;
    }

    test.each(goodAnswers(operation))("answers %s in %s as documented", async (status, type) => {
      const { status: good, ask, also = {}, as = {} } = example();
      const make = as[type] ?? (status === good ? ask : also[status]);
      if (!make) throw new Error(`${id} has no example of ${status}`);
      const answer = await world.call(operation.method, await asked(operation, make));
      expect([answer.status, answer.headers["content-type"] ?? "no body"]).toEqual([status, type]);
    });

    test.each(codesOf(operation))("answers %s as documented", async (code) => {
      const { fails = {}, beyond = {} } = example();
      if (beyond[code] !== undefined) return;
      const own = fails[code];
      const generic = genericDriver(code, operation);
      if (!own && !generic) throw new Error(`${id} has no request that gets ${code}`);
      const answer = own
        ? await world.call(operation.method, await asked(operation, own))
        : await generic?.(world, operation, () => askFor(code));
      expect([answer?.status, answer?.body["code"]]).toEqual([meaningOf(code).status, code]);
    });
  },
);
