import { rotateSecrets, type RotationDeps } from "../../../shared/domain/connection/rotate-keys.ts";
import type { SecretStore } from "../../../shared/ports/secret-store.ts";
import { day, minute, startWorld, type World } from "./world.ts";

let world: World;
afterEach(() => world.stop());

/** Every step of a run that leaves something behind, and the reads between them. */
async function stepsOfARun(): Promise<number> {
  let steps = 0;
  const counting = breakable(() => {
    steps += 1;
  });
  await rotateSecrets(counting);
  return steps;
}

/** The rotation, with something to do before and after each of its requests. */
function breakable(at: (when: "before" | "after") => void): RotationDeps {
  const around = async <T>(run: () => Promise<T>): Promise<T> => {
    at("before");
    const result = await run();
    at("after");
    return result;
  };
  const inner = world.store();
  const store: SecretStore = {
    current: (name) => around(() => inner.current(name)),
    replace: (name, replaced, text) => around(() => inner.replace(name, replaced, text)),
  };
  const deps = world.rotation(store);
  const client = new Proxy(deps.table.client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return (command: unknown) =>
        around(() => (value as (command: unknown) => Promise<unknown>).call(target, command));
    },
  });
  return { ...deps, table: { client, name: deps.table.name } };
}

/** What a Lambda that dies looks like: from there on nothing more happens. */
function dyingAt(step: number): RotationDeps {
  let passed = 0;
  return breakable(() => {
    passed += 1;
    if (passed >= step) throw new Error("died");
  });
}

async function expectWhole(): Promise<void> {
  const [signer, checker] = [world.process(), world.process()];
  const user = { tenantId: "ten_T", userId: "usr_U", generation: 1 };
  expect(await checker.verifier.user((await signer.userTokens.mint(user)).token)).toEqual(user);
  const sandbox = { tenantId: "ten_T", sessionId: "s", epoch: 1 };
  expect(await checker.verifier.sandbox((await signer.sandboxTokens.mint(sandbox)).token)).toEqual(sandbox);
  const sealed = await signer.cursors.seal("c", "ten_T", "l");
  expect(await checker.cursors.open(sealed, "ten_T", "l")).toBe("c");
}

async function expectFinished(before: Record<string, string[]>): Promise<void> {
  for (const [name, [current, previous, ...more]] of Object.entries(world.texts())) {
    expect([name, previous, more]).toEqual([name, before[name]?.[0], []]);
    expect(current).not.toBe(previous);
  }
  for (const use of ["user", "sandbox"] as const) {
    const keys = await world.signingKeys(use);
    const inUse = keys.filter(({ expires_at }) => expires_at === undefined);
    const { kid } = await world.rotation().publicKey(world.texts()[use]?.[0] ?? "", use);
    expect([use, inUse.map((key) => key.kid)]).toEqual([use, [kid]]);
    expect(keys.length).toBeGreaterThan(1);
  }
}

test("a run that dies anywhere leaves what works, and the next run finishes it", async () => {
  world = await startWorld();
  await world.process().userTokens.publish();
  await world.process().sandboxTokens.publish();
  world.clock.advance(30 * day);
  const steps = await stepsOfARun();
  expect(steps).toBeGreaterThan(30);
  const died: number[] = [];
  for (let step = 1; step <= steps; step += 1) {
    world.clock.advance(30 * day);
    const warm = world.process();
    const user = { tenantId: "ten_T", userId: "usr_U", generation: 1 };
    const { token } = await warm.userTokens.mint(user);
    const sealed = await warm.cursors.seal("before", "ten_T", "l");
    const before = world.texts();
    await rotateSecrets(dyingAt(step)).catch(() => died.push(step));
    await expectWhole();
    for (const seenBy of [warm, world.process()]) {
      expect(await seenBy.verifier.user(token)).toEqual(user);
      expect(await seenBy.cursors.open(sealed, "ten_T", "l")).toBe("before");
    }
    world.clock.advance(minute);
    await world.rotate();
    await expectFinished(before);
    world.clock.advance(8 * minute);
    await expectWhole();
  }
  expect(died).toHaveLength(steps);
}, 120_000);

test("a secret that cannot be put does not keep back the others, and the run fails so that it is repeated", async () => {
  world = await startWorld();
  world.clock.advance(30 * day);
  const before = world.texts();
  const inner = world.store();
  const store: SecretStore = {
    current: inner.current,
    replace: (name, replaced, text) =>
      name === "user" ? Promise.reject(new Error("throttled")) : inner.replace(name, replaced, text),
  };
  await expect(rotateSecrets(world.rotation(store))).rejects.toThrow("throttled");
  const changed = Object.entries(world.texts()).filter(([name, texts]) => texts[0] !== before[name]?.[0]);
  expect(changed.map(([name]) => name)).toEqual(["sandbox", "preview", "git"]);
  await expectWhole();
  await world.rotate();
  await expectFinished(before);
});

test("a first run on a new deployment changes nothing", async () => {
  world = await startWorld();
  const before = world.texts();
  await world.rotate();
  world.clock.advance(day - 1);
  await world.rotate();
  expect(world.texts()).toEqual(before);
  await expectWhole();
});

test("no new public key is ever missing when a version is put", async () => {
  world = await startWorld();
  world.clock.advance(30 * day);
  const inner = world.store();
  const found: string[] = [];
  const store: SecretStore = {
    current: inner.current,
    async replace(name, replaced, text) {
      if (name === "user" || name === "sandbox") {
        const { kid } = await world.rotation().publicKey(text, name);
        expect((await world.signingKeys(name)).map((key) => key.kid)).toContain(kid);
        found.push(name);
      }
      return inner.replace(name, replaced, text);
    },
  };
  await rotateSecrets(world.rotation(store));
  expect(found).toEqual(["user", "sandbox"]);
});
