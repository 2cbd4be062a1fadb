import { RateLimited } from "../../../shared/domain/quota/bucket.ts";
import { AppError } from "../../../shared/errors.ts";
import type { ErrorCode } from "../../../shared/protocol/error-code.ts";
import type { HttpAnswer } from "../../support/http-platform.ts";
import type { DocumentedOperation } from "../../support/openapi.ts";
import type { Ask, World } from "./world.ts";

/** Gets an operation to one of the errors that all of its kind have; `ask` makes its good request. */
type Driver = (world: World, operation: DocumentedOperation, ask: () => Promise<Ask>) => Promise<HttpAnswer>;

const isPublic = ({ operation }: DocumentedOperation) => operation.security.length === 0;
const namesIn = (path: string) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
const takesQuery = ({ operation }: DocumentedOperation) =>
  (operation.parameters ?? []).some((one) => "in" in one && one.in === "query");
const bucket = { policy: { name: "tenant", capacity: 1, refillPerSecond: 1 }, remaining: 0, resetSeconds: 1 };

/** The good request's path with ids that nothing has. */
function elsewhere(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) =>
    ["seq", "n", "number"].includes(name) ? "999999" : "nothing",
  );
}

async function invalid(operation: DocumentedOperation, ask: Ask): Promise<Ask> {
  if (operation.operation.requestBody) return { ...ask, body: { no_such_field: true } };
  if (takesQuery(operation)) return { ...ask, query: "no_such_parameter=1" };
  if (operation.method === "POST") return { ...ask, headers: { "idempotency-key": "not a key" } };
  return { ...ask, path: operation.path.replaceAll(/\{\w+\}/g, "%01") };
}

/** The first request runs and cannot finish; the second comes meanwhile. */
async function whileTheFirstRuns(world: World, method: string, ask: Ask): Promise<HttpAnswer> {
  const { seal } = world.platform.deps;
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let began = () => {};
  const ran = new Promise<void>((resolve) => (began = resolve));
  const slow: typeof seal = {
    ...seal,
    seal: async (...sealed) => {
      began();
      await finished;
      return seal.seal(...sealed);
    },
  };
  const keyed = { ...ask, headers: { "idempotency-key": crypto.randomUUID() } };
  const first = world.call(method, keyed, { seal: slow });
  await Promise.race([ran, first]);
  const second = await world.call(method, keyed);
  finish();
  await first;
  return second;
}

/** Null where the operation has to be driven there by a request of its own. */
export function genericDriver(code: ErrorCode, operation: DocumentedOperation): Driver | null {
  const { method } = operation;
  const drivers: Partial<Record<ErrorCode, Driver | false>> = {
    unauthenticated:
      !isPublic(operation) &&
      (async (world, _operation, ask) => world.call(method, { ...(await ask()), token: undefined })),
    token_expired:
      !isPublic(operation) &&
      (async (world, _operation, ask) => {
        const asked = await ask();
        world.platform.clock.advance(16 * 60_000);
        return world.call(method, asked);
      }),
    forbidden:
      !isPublic(operation) &&
      (async (world, { operation: { "x-permission": needs } }, ask) => {
        const token = await world.keyFor(needs === "session.read" ? "webhook.manage" : "session.read");
        return world.call(method, { ...(await ask()), token });
      }),
    not_found:
      namesIn(operation.path).length > 0 &&
      (async (world, { path }, ask) => world.call(method, { ...(await ask()), path: elsewhere(path) })),
    bad_request: async (world, _operation, ask) => {
      const bad = operation.operation.requestBody ? { body: "{" } : { query: "cursor=bm9ib2R5J3M" };
      return world.call(method, { ...(await ask()), ...bad });
    },
    payload_too_large: async (world, _operation, ask) =>
      world.call(method, { ...(await ask()), body: { x: "x".repeat(600_000) } }),
    validation_failed: async (world, _operation, ask) => world.call(method, await invalid(operation, await ask())),
    rate_limited: async (world, _operation, ask) =>
      world.call(method, await ask(), { limit: () => Promise.reject(new RateLimited(bucket)) }),
    busy: async (world, _operation, ask) =>
      world.call(method, await ask(), { limit: () => Promise.reject(new AppError("busy")) }),
    internal: async (world, _operation, ask) =>
      world.call(method, await ask(), { limit: () => Promise.reject(new Error("boom")) }),
    idempotency_in_flight: async (world, _operation, ask) => whileTheFirstRuns(world, method, await ask()),
    idempotency_mismatch: async (world, _operation, ask) => {
      const asked = { ...(await ask()), headers: { "idempotency-key": crypto.randomUUID() } };
      await world.call(method, asked);
      return world.call(method, { ...asked, query: "another=1" });
    },
  };
  return drivers[code] || null;
}
