import fc from "fast-check";
import { ClientFrame } from "../../../shared/protocol/client-frame.ts";
import { SandboxFrame } from "../../../shared/protocol/sandbox-frame.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { bearer, socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
const driver = socketDriver(() => platform);
let session: string;
let connections: { user: string; sandbox: string };
beforeAll(async () => {
  platform = await startHttpPlatform();
  const owner = await platform.register();
  session = String((await platform.send("POST", "/sessions", {}, owner.access_token)).body["id"]);
  const sandbox = await platform.deps.sandboxTokens.mint({ tenantId: owner.tenant.id, sessionId: session, epoch: 1 });
  connections = {
    user: (await driver.connect(bearer(owner.access_token))).connectionId,
    sandbox: (await driver.connect(bearer(sandbox.token))).connectionId,
  };
});
afterAll(() => platform.stop());

const text = fc.oneof(
  fc.constantFrom("", "__proto__", "\u0000", "💥", "00000000-0000-4000-8000-000000000000"),
  fc.string({ unit: "grapheme", maxLength: 40 }),
);
const anything = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.jsonValue(),
  fc.constant(null),
);

/** Frames of known types whose other members are anything, now and then with the real session. */
function framesOf(types: string[], fields: string[]) {
  const names = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...fields) },
    fc.constantFrom("__proto__", "constructor", "admin"),
  );
  return fc.record({
    type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...types) }, text),
    members: fc.array(fc.tuple(names, anything), { maxLength: 6 }),
    real: fc.boolean(),
  });
}

describe.each([
  ["user", ClientFrame, driver.say, "request_id"],
  ["sandbox", SandboxFrame, driver.report, "frame_id"],
] as const)("whatever a %s sends", (kind, schema, send, echo) => {
  const types = schema.options.map((option) => option.shape.type.value as string);
  const fields = [...new Set(schema.options.flatMap((option) => Object.keys(option.shape)))].filter(
    (name) => name !== "type",
  );

  test("gets at most one ack, never `internal`, and the connection lives on", async () => {
    let frames = 0;
    await fc.assert(
      fc.asyncProperty(framesOf(types, fields), async ({ type, members, real }) => {
        const id = `f${(frames += 1)}`;
        const known = real ? { session_id: session, [echo]: id } : {};
        const frame = { ...Object.fromEntries(members), ...known, type };
        const connection = connections[kind];
        const before = driver.posted(connection).length;
        await send(connection, frame);
        const acks = driver
          .posted(connection)
          .slice(before)
          .filter((message) => message.type === "ack");
        expect(acks.length).toBeLessThanOrEqual(1);
        expect(acks[0]?.error?.code).not.toBe("internal");
        if (kind === "user") expect(acks).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  test("as text that is no frame gets a coded error", () =>
    fc.assert(
      fc.asyncProperty(fc.oneof(text, fc.json()), async (sent) => {
        const ack = await send(connections[kind], sent === "" ? " " : sent);
        expect(["bad_request", "unknown_frame"]).toContain(ack?.error?.code);
      }),
      { numRuns: 100 },
    ));
});
