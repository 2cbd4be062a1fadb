import { randomUUID } from "node:crypto";
import { rows } from "../../../shared/data/service.ts";
import { latestContainer } from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import { fateOf } from "../../../shared/domain/tool-call/tool-call.decisions.ts";
import { pendingCalls } from "../../../shared/domain/tool-call/tool-call.ts";
import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { setupLimitMs } from "../../../shared/protocol/sandbox-config.ts";
import type { Engine } from "../../support/engine.ts";
import { first, result, sandboxWorld, startSandboxEngine, type Running } from "./sandbox-world.ts";

let engine: Engine;
beforeEach(async () => {
  engine = await startSandboxEngine();
});
afterEach(() => engine.stop());
const { send, link, running } = sandboxWorld(() => engine);

const started = () => ({ type: "sandbox.setup_started", frame_id: randomUUID() });
const completed = (ok = true) => ({
  type: "sandbox.setup_completed",
  frame_id: randomUUID(),
  ok,
  command: ok ? null : 1,
  exit_code: ok ? 0 : 3,
  tail: "its last words",
  duration_ms: 12,
});

async function told(key: SessionKey) {
  const log = await engine.log(key);
  return log.flatMap((row) => (row.kind === "event" && row.type === "container.setup" ? [row.data] : []));
}

async function configure(key: SessionKey, config: unknown): Promise<void> {
  await rows(engine.deps.table)
    .entities.session.patch({ tenant_id: key.tenant_id, session_id: key.session_id })
    .set({ sbx_config: JSON.stringify(config) })
    .go();
}

describe("setup on the log", () => {
  it("begins and ends once, however often it is reported", async () => {
    const { key, connectionId } = await running();
    for (const frame of [started(), started(), completed(false), completed(false), completed(true)])
      expect((await send(connectionId, frame))?.error).toBeUndefined();
    expect(await told(key)).toEqual([
      { epoch: 1, status: "started" },
      {
        epoch: 1,
        status: "failed",
        ok: false,
        command: 1,
        exit_code: 3,
        tail: "its last words",
        duration_ms: 12,
      },
    ]);
  });

  it("is no business of a container that was replaced", async () => {
    const { key } = await running();
    const connectionId = await link(key, 9);
    expect((await send(connectionId, completed()))?.error?.code).toBe("conflict");
    expect(await told(key)).toEqual([]);
  });

  it("keeps a call that waits for it from being late, and no longer than it may take", async () => {
    const { key, connectionId } = await running();
    await send(connectionId, started());
    const conversation = await readConversation(engine.deps.table, key);
    const [call] = conversation ? await pendingCalls(engine.deps.table, conversation) : [];
    const container = await latestContainer(engine.deps.table, key);
    if (!call || !container) throw new Error("nothing runs");
    const at = (now: number) => fateOf(call, { ...container, last_heartbeat_at: now }, 0, now).kind;
    expect(at(call.deadline_at + 1)).toBe("send");
    expect(at(call.deadline_at + setupLimitMs + 60_000)).toBe("fail");
    const without = { ...container, setup_from: undefined, last_heartbeat_at: call.deadline_at + 1 };
    expect(fateOf(call, without, 0, call.deadline_at + 1).kind).toBe("fail");
  });
});

describe("a configuration is read", () => {
  const read = (connectionId: string) =>
    send(connectionId, { type: "sandbox.read_configuration", frame_id: randomUUID() });

  it("by the session's own sandbox, for its own session", async () => {
    const mine: Running = await running();
    const theirs = await running();
    await configure(theirs.key, { environment: { A: "theirs" } });
    expect((await read(mine.connectionId))?.result).toMatchObject({ network: { policy: "none" }, environment: {} });
    expect((await read(theirs.connectionId))?.result).toMatchObject({ environment: { A: "theirs" } });
    await send(mine.connectionId, result(first(mine)));
  });

  it("and not by one of another epoch", async () => {
    const { key } = await running();
    expect((await read(await link(key, 7)))?.error?.code).toBe("conflict");
  });

  it("a stored network that nobody can read is no network, and other old values are left out", async () => {
    const { key, connectionId } = await running();
    await configure(key, { network: "everything", setup: 5, environment: { PATH: "x" }, size: 9 });
    expect((await read(connectionId))?.result).toEqual({
      network: { policy: "none", allow: [] },
      setup: [],
      environment: {},
      secret: [],
      missing: [],
    });
  });
});

describe("a launch", () => {
  it("has the session's size and image", async () => {
    const key = await engine.session();
    await configure(key, { size: "small", image: "default" });
    Object.assign(engine.deps.provider, { capabilities: { networkPolicies: ["open"], sizes: ["small"] } });
    await ensureContainer(engine.deps, key);
    expect(engine.sandbox.launched).toMatchObject([{ size: "small", image: "default" }]);
  });

  it.each([
    [{ network: { policy: "none" } }, "network.policy"],
    [{ network: { policy: "allowlist", allow: ["example.com"] } }, "network.policy"],
    [{ size: "large" }, "size"],
    [{ image: "gone" }, "image"],
  ])("of what the deployment no longer offers, %j, is refused and never something else", async (config, path) => {
    const key = await engine.session();
    await configure(key, config);
    await ensureContainer(engine.deps, key);
    expect(engine.sandbox.launched).toEqual([]);
    const container = await latestContainer(engine.deps.table, key);
    expect(container).toMatchObject({ status: "lost", stop_reason: expect.stringContaining(`sbx_config.${path}`) });
  });
});
