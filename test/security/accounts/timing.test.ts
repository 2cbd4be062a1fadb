import { createHook } from "node:async_hooks";
import { rows } from "../../../shared/data/service.ts";
import { login } from "../../../shared/domain/account/account.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { countedTable } from "../../support/paused-table.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

let computations = 0;
const hook = createHook({
  init(_id, type) {
    if (type === "SCRYPTREQUEST") computations += 1;
  },
});
beforeAll(() => {
  hook.enable();
});
afterAll(() => {
  hook.disable();
});

/** What answering takes that a stopwatch could see: password hashes, and requests to the table. */
async function workOf(email: string, password: string, sourceIp: string) {
  const { table, sent } = countedTable(platform.deps.table);
  const before = computations;
  await login({ ...platform.deps, table }, { email, password }, sourceIp).catch(() => undefined);
  return { hashes: computations - before, requests: sent.map((command) => command.constructor.name) };
}

it("the hook counts hashes, so that equal counts mean something", async () => {
  const before = computations;
  await platform.register();
  expect(computations - before).toBe(1);
});

it("an unknown email, a wrong password and an account without one take the same work", async () => {
  const person = await platform.register();
  const provided = await platform.register();
  await rows(platform.deps.table).entities.login.patch({ email: provided.user.email }).remove(["password_hash"]).go();
  const wrong = await workOf(person.user.email, "a wrong password", "198.18.9.1");
  const unknown = await workOf("nobody@example.com", "a wrong password", "198.18.9.2");
  const without = await workOf(provided.user.email, "a wrong password", "198.18.9.3");
  expect(wrong.hashes).toBe(1);
  expect(unknown).toEqual(wrong);
  expect(without).toEqual(wrong);
});
