import { rows } from "../../../shared/data/service.ts";
import { latestContainer, loseContainer } from "../../../shared/domain/container/container.ts";
import { ensureContainer } from "../../../shared/domain/container/ensure.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import { framePermissions } from "../../../shared/protocol/client-frame.ts";
import { type SandboxFrameType, sandboxFrameTypes } from "../../../shared/protocol/sandbox-frame.ts";
import type { Engine } from "../../support/engine.ts";
import {
  commit,
  first,
  framed,
  result,
  type Running,
  sandboxWorld,
  second,
  startSandboxEngine,
} from "./sandbox-world.ts";

let engine: Engine;
beforeEach(async () => {
  engine = await startSandboxEngine();
});
afterEach(() => engine.stop());

const { ask, send, link, userLink, running, stored, watched, storeObjects } = sandboxWorld(() => engine);

/** What was sent is answered with an error, and nothing is other than before. */
async function expectRefused(connectionId: string, frame: unknown, codes: string[]): Promise<void> {
  const before = await stored();
  const answer = await send(connectionId, frame);
  expect(codes).toContain(answer?.error?.code);
  expect(await stored()).toBe(before);
}

it("the real result is accepted, so that the refusals below mean something", async () => {
  const { connectionId, runs } = await running();
  for (const run of runs) expect((await send(connectionId, result(run)))?.result).toEqual({});
});

describe("a result", () => {
  it.each<[string, (mine: Running) => unknown]>([
    ["for a call that nobody asked for", (mine) => result({ ...first(mine), call_id: "t9" })],
    ["for a call without a name", (mine) => result({ ...first(mine), call_id: "" })],
    ["for a call that is a path", (mine) => result({ ...first(mine), call_id: "../t1" })],
    ["for a call whose id is a key", (mine) => result({ ...first(mine), call_id: "t1#step_0" })],
    ["with a guessed nonce", (mine) => result({ ...first(mine), nonce: "guess" })],
    ["with an empty nonce", (mine) => result({ ...first(mine), nonce: "" })],
    ["with the nonce of the call beside it", (mine) => result({ ...first(mine), nonce: second(mine).nonce })],
    ["with a nonce in other case", (mine) => result({ ...first(mine), nonce: first(mine).nonce.toUpperCase() })],
  ])("%s", async (_name, forged) => {
    const mine = await running();
    await expectRefused(mine.connectionId, forged(mine), ["conflict"]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["without a nonce", { nonce: undefined }, "validation_failed"],
    ["with a nonce that is an object", { nonce: { $ne: "" } }, "validation_failed"],
    ["that names its session", { session_id: "another" }, "validation_failed"],
    ["that names its epoch", { epoch: 1 }, "validation_failed"],
    ["that names its tenant", { tenant_id: "ten_T" }, "validation_failed"],
    ["over the limit of what is kept inline", { output: "x".repeat(32 * 1024) }, "payload_too_large"],
  ])("%s", async (_name, more, code) => {
    const mine = await running();
    await expectRefused(mine.connectionId, result(first(mine), more), [code]);
  });

  it("for another session's call, of the same tenant and of another", async () => {
    const mine = await running();
    for (const theirs of [await running(mine.key.tenant_id), await running()]) {
      const call = { ...first(theirs), call_id: "t1" };
      await expectRefused(mine.connectionId, result(call), ["conflict"]);
      await expectRefused(theirs.connectionId, result(first(mine)), ["conflict"]);
    }
  });

  it("over a link of another tenant that names the session as its own", async () => {
    const theirs = await running();
    const forged = await link({ tenant_id: "ten_01JD0000000000000000000000", session_id: theirs.key.session_id }, 1);
    await expectRefused(forged, result(first(theirs)), ["conflict"]);
  });

  it.each([2, 9])("of epoch %i, which is none of the call's", async (epoch) => {
    const mine = await running();
    await expectRefused(await link(mine.key, epoch), result(first(mine)), ["conflict"]);
  });

  it("twice, also under another frame's id and with another output, also over another link of the epoch", async () => {
    const mine = await running();
    const frame = result(first(mine));
    expect((await send(mine.connectionId, frame))?.error).toBeUndefined();
    await expectRefused(mine.connectionId, frame, ["conflict"]);
    await expectRefused(mine.connectionId, result(first(mine), { output: "another" }), ["conflict"]);
    await expectRefused(await link(mine.key, 1), frame, ["conflict"]);
  });

  it("ten times at once: one counts", async () => {
    const mine = await running();
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        const connectionId = await link(mine.key, 1);
        return send(connectionId, result(first(mine), { output: `answer ${at}` }));
      }),
    );
    expect(answers.filter((answer) => answer?.error === undefined)).toHaveLength(1);
    const completed = (await engine.log(mine.key)).filter(
      (row) => row.kind === "event" && row.type === "tool.completed",
    );
    expect(completed).toHaveLength(1);
  });

  it("after its deadline, when it was answered for it", async () => {
    const mine = await running();
    engine.clock.advance(20_000);
    for (let beat = 0; beat < 8; beat += 1) {
      await send(mine.connectionId, { type: "sandbox.heartbeat", frame_id: `b${beat}` });
      engine.clock.advance(20_000);
    }
    await engine.work({ delayed: true });
    const log = await engine.log(mine.key);
    expect(log.filter((row) => row.kind === "event" && row.type === "tool.completed")).toHaveLength(2);
    await expectRefused(await link(mine.key, 1), result(first(mine)), ["conflict"]);
  });

  it("before it was asked for: while the model thinks, and where no turn ever ran", async () => {
    const session = await engine.session();
    const connectionId = await link(session, 1);
    await expectRefused(connectionId, result({ call_id: "t1", nonce: "" }), ["conflict"]);
    await ask(session, "Build it");
    await expectRefused(connectionId, result({ call_id: "t1", nonce: "" }), ["conflict"]);
  });

  it("after the step and after the turn that asked for it", async () => {
    const mine = await running();
    for (const run of mine.runs) await send(mine.connectionId, result(run));
    await expectRefused(mine.connectionId, result(first(mine)), ["conflict"]);
    await engine.work();
    await expectRefused(mine.connectionId, result(first(mine)), ["conflict"]);
  });

  it("with an object that is not there, or not its session's", async () => {
    const mine = await running();
    const theirs = await running(mine.key.tenant_id);
    const foreign = objectKey(theirs.key, "outputs", "a".repeat(64));
    await engine.objects.put(foreign, "secret", "text/plain");
    const own = objectKey(mine.key, "outputs", "a".repeat(64));
    const walking = `${objectKey(mine.key, "outputs")}/../../${theirs.key.session_id}/outputs/x`;
    for (const object_key of [own, foreign, walking, "", "/", objectKey(mine.key, "packs", "x")])
      await expectRefused(mine.connectionId, result(first(mine), { object_key }), ["not_found"]);
  });
});

/** Refused, or, for the heartbeat, answered and cut off; in any case without a trace. */
async function expectNothing(connectionId: string, type: SandboxFrameType, mine: Running): Promise<void> {
  await storeObjects(mine.key);
  const seen = await watched(mine.key);
  const [before, told] = [await stored(), seen()];
  const answer = await send(connectionId, framed(type, mine));
  if (type === "sandbox.heartbeat") expect(engine.sockets.closed).toContain(connectionId);
  else expect(["conflict", "not_found", "forbidden"]).toContain(answer?.error?.code);
  expect([await stored(), seen()]).toEqual([before, told]);
}

describe.each(sandboxFrameTypes)("%s", (type) => {
  it("of a container that was replaced", async () => {
    const mine = await running();
    const container = await latestContainer(engine.deps.table, mine.key);
    if (!container) throw new Error("no container");
    await loseContainer(engine.deps, container, "stopped answering");
    engine.clock.advance(20_000);
    await engine.work({ delayed: true });
    expect((await ensureContainer(engine.deps, mine.key)).epoch).toBe(2);
    await expectNothing(mine.connectionId, type, mine);
  });

  it("of an epoch that never was", async () => {
    const mine = await running();
    await expectNothing(await link(mine.key, 7), type, mine);
  });

  it("of a session that is another tenant's", async () => {
    const mine = await running();
    const forged = await link({ tenant_id: "ten_01JD0000000000000000000000", session_id: mine.key.session_id }, 1);
    await expectNothing(forged, type, mine);
  });

  it("over a person's connection, and over one that is nobody's", async () => {
    const mine = await running();
    const [seen, person] = [await watched(mine.key), await userLink(mine.key)];
    const before = await stored();
    expect((await send(person, framed(type, mine)))?.error?.code).toBe("forbidden");
    // API Gateway sends these types elsewhere: to the users' function they are unknown.
    expect((await send(person, framed(type, mine), "client"))?.error?.code).toBe("unknown_frame");
    expect(await send("nobody", framed(type, mine))).toBeUndefined();
    expect(engine.sockets.closed).toContain("nobody");
    expect([await stored(), seen()]).toEqual([before, 0]);
  });

  it("over a link whose row has no session, or no epoch", async () => {
    const mine = await running();
    const { connection } = rows(engine.deps.table).entities;
    const bare = {
      kind: "sandbox",
      tenant_id: mine.key.tenant_id,
      connected_at: 1,
      expires_at: 9_999_999_999,
    } as const;
    await connection.create({ ...bare, connection_id: "no-epoch", session_id: mine.key.session_id }).go();
    await connection.create({ ...bare, connection_id: "no-session", epoch: 1 }).go();
    const before = await stored();
    for (const connectionId of ["no-epoch", "no-session"])
      expect((await send(connectionId, framed(type, mine)))?.error?.code).toBe("forbidden");
    expect(await stored()).toBe(before);
  });

  it("over a link that is over its time", async () => {
    const mine = await running();
    engine.clock.advance(2 * 3_600_000 + 1000);
    const before = await stored();
    expect(await send(mine.connectionId, framed(type, mine))).toBeUndefined();
    expect(engine.sockets.closed).toContain(mine.connectionId);
    expect(await stored()).toBe(before);
  });
});

describe("a sandbox's connection", () => {
  it.each(Object.keys(framePermissions))("may not send what people do: %s", async (type) => {
    const mine = await running();
    const frame = { type, request_id: "r", session_id: mine.key.session_id, content: "obey" };
    const before = await stored();
    expect((await send(mine.connectionId, frame, "client"))?.error?.code).toBe("forbidden");
    expect((await send(mine.connectionId, frame))?.error?.code).toBe("unknown_frame");
    expect(await stored()).toBe(before);
  });

  it.each(["packs", "manifests"])("may not name another session's %s in a checkpoint", async (folder) => {
    const mine = await running();
    const theirs = await running(mine.key.tenant_id);
    for (const { key } of [mine, theirs]) await storeObjects(key);
    const frame = framed("sandbox.checkpoint_taken", mine) as unknown as { checkpoint: Record<string, string> };
    const field = folder === "packs" ? "pack_key" : "manifest_key";
    const own = objectKey(mine.key);
    const wrong = [
      objectKey(theirs.key, folder, commit),
      `${own}x/${folder}/${commit}`,
      objectKey(mine.key, folder, "b".repeat(40)),
      own,
      "",
    ];
    for (const key of wrong)
      await expectRefused(mine.connectionId, { ...frame, checkpoint: { ...frame.checkpoint, [field]: key } }, [
        "not_found",
      ]);
  });

  it("gets a place for its uploads below its own session only", async () => {
    const mine = await running();
    const answer = await send(mine.connectionId, framed("sandbox.upload_request", mine));
    expect(String(answer?.result?.["key"]).startsWith(`${objectKey(mine.key)}/`)).toBe(true);
    for (const more of [{ sha256: "../".repeat(21) + "x" }, { purpose: "../packs" }, { length: -1 }, { length: 0.5 }])
      await expectRefused(mine.connectionId, { ...framed("sandbox.upload_request", mine), ...more }, [
        "validation_failed",
      ]);
    await expectRefused(mine.connectionId, { ...framed("sandbox.upload_request", mine), length: 1e12 }, [
      "payload_too_large",
    ]);
  });
});
