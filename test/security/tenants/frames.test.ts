import { randomUUID } from "node:crypto";
import { ulid } from "ulid";
import { ClientFrame, framePermissions, type ClientFrameType } from "../../../shared/protocol/client-frame.ts";
import { Role, roleMay, Scope } from "../../../shared/protocol/permission.ts";
import type { World } from "../../integration/documents/world.ts";
import type { fakeDoor } from "../../support/fakes.ts";
import { parkTurn } from "../../support/parked.ts";
import { people } from "../../support/people.ts";
import { fileAnswers } from "../../support/file-answers.ts";
import { runningSandbox, terminalAnswers } from "../../support/running-sandbox.ts";
import { bearer, socketDriver, type Reply } from "../../support/socket-driver.ts";
import { startTwoTenants, type TwoTenants } from "./world.ts";

let tenants: TwoTenants;
let sockets: Awaited<ReturnType<typeof connected>>;
let sent = 0;
beforeAll(async () => {
  tenants = await startTwoTenants();
  Object.assign(
    (tenants.world.platform.deps.door as ReturnType<typeof fakeDoor>).answers,
    terminalAnswers,
    fileAnswers,
  );
  sockets = await connected();
});
afterAll(async () => {
  process.stdout.write(`frame matrix: ${sent} frames of ${frameTypes.length} types\n`);
  await tenants.stop();
});

const frameTypes = ClientFrame.options.map((option) => option.shape.type.value);
const driver = socketDriver(() => tenants.world.platform);
const { join } = people(() => tenants.world.platform);

interface About {
  session_id: string;
  turn_id: string;
  approval_id: string;
}

/** What each frame says beside its type and id. A new frame does not compile until it is here. */
const bodies: Record<ClientFrameType, (about: About) => Record<string, unknown>> = {
  ping: () => ({}),
  "session.subscribe": ({ session_id }) => ({ session_id, after: 0 }),
  "session.unsubscribe": ({ session_id }) => ({ session_id }),
  "message.send": ({ session_id }) => ({ session_id, content: "Tell me all" }),
  "turn.interrupt": ({ session_id }) => ({ session_id }),
  "queue.cancel": ({ session_id, turn_id }) => ({ session_id, turn_id }),
  "queue.reorder": ({ session_id, turn_id }) => ({ session_id, turn_ids: [turn_id] }),
  "file.list": ({ session_id }) => ({ session_id }),
  "file.read": ({ session_id }) => ({ session_id, path: "hello.txt" }),
  "file.write": ({ session_id }) => ({ session_id, path: "hello.txt", content: "hello", if_hash: null }),
  "file.delete": ({ session_id }) => ({ session_id, path: "hello.txt" }),
  "file.move": ({ session_id }) => ({ session_id, from: "hello.txt", to: "b.txt" }),
  "file.search": ({ session_id }) => ({ session_id, q: "hello" }),
  "terminal.open": ({ session_id }) => ({ session_id }),
  "terminal.attach": ({ session_id }) => ({ session_id, terminal_id: "trm" }),
  "terminal.input": ({ session_id }) => ({ session_id, terminal_id: "trm", data: "ls\n" }),
  "terminal.resize": ({ session_id }) => ({ session_id, terminal_id: "trm", cols: 100, rows: 30 }),
  "terminal.close": ({ session_id }) => ({ session_id, terminal_id: "trm" }),
  "approval.resolve": ({ session_id, approval_id }) => ({ session_id, approval_id, decision: "approve" }),
  "checkpoint.create": ({ session_id }) => ({ session_id }),
  "checkpoint.restore": ({ session_id }) => ({ session_id, checkpoint: 1, what: "chat" }),
};

/** Those who may learn this of a session in which a turn runs. */
const answersInTurn: Partial<Record<ClientFrameType, string>> = {
  "checkpoint.create": "turn_running",
  "checkpoint.restore": "turn_running",
};

/** A session in which a prompt runs, whose call waits for a person, and another prompt waits. */
async function waitingIn(side: World): Promise<About> {
  const session = await side.good("POST", "/sessions", { messages: { content: "Build a clock" } });
  const path = `/sessions/${String(session["id"])}/messages`;
  const { turn_id } = await side.good("POST", path, { content: "Make it red" });
  const session_id = String(session["id"]);
  const key = { tenant_id: side.owner.tenant.id, session_id };
  const [approval_id = ""] = await parkTurn(side.platform.deps, key);
  await runningSandbox(side.platform.deps, key);
  return { session_id, turn_id: String(turn_id), approval_id };
}

async function say(connection: string, type: ClientFrameType, about: About): Promise<Reply | undefined> {
  sent += 1;
  return driver.say(connection, { type, request_id: randomUUID(), ...bodies[type](about) });
}

async function connected(): Promise<[name: string, connection: string, may: (type: ClientFrameType) => boolean][]> {
  const { attacker } = tenants;
  const users = await Promise.all(
    Role.options.map(async (role) => {
      const connection = await driver.userConnection(await join(attacker.owner, role));
      return [role, connection, (type: ClientFrameType) => roleMay(role, framePermissions[type])] as const;
    }),
  );
  const keys = await Promise.all(
    Scope.options.map(async (scope) => {
      const made = await attacker.good("POST", "/api-keys", { name: scope, scopes: [scope] });
      const { connectionId } = await driver.connect(bearer(String(made["key"])));
      return [`a key for ${scope}`, connectionId, (type: ClientFrameType) => framePermissions[type] === scope] as const;
    }),
  );
  return [...users, ...keys].map(([name, connection, may]) => [name, connection, may]);
}

describe.each(frameTypes)("%s", (type) => {
  it("takes those who may, and nobody else", async () => {
    // Who is refused leaves it as it was; who is not may have used it up.
    const untouched = await waitingIn(tenants.attacker);
    for (const [name, connection, may] of sockets) {
      const reply = await say(connection, type, may(type) ? await waitingIn(tenants.attacker) : untouched);
      expect([name, reply?.error?.code]).toEqual([name, may(type) ? answersInTurn[type] : "forbidden"]);
    }
  });

  it("knows nothing of another tenant, whoever asks", async () => {
    const foreign = await waitingIn(tenants.victim);
    for (const [name, connection, may] of sockets) {
      const sentBefore = driver.posted(connection).length;
      let reply: Reply | undefined;
      const writes = await tenants.writesOf(async () => {
        reply = await say(connection, type, foreign);
      });
      expect(writes.filter((write) => write.includes(tenants.victim.owner.tenant.id))).toEqual([]);
      expect(driver.posted(connection).slice(sentBefore)).toHaveLength(1);
      const unknown = await say(connection, type, {
        session_id: randomUUID(),
        turn_id: `trn_${ulid()}`,
        approval_id: `apr_${ulid()}`,
      });
      expect([name, reply?.error]).toEqual([name, unknown?.error]);
      const isAboutSession = "session_id" in bodies[type](foreign);
      const isSilent = !isAboutSession || type === "session.unsubscribe";
      if (may(type) && !isSilent) expect([name, reply?.error?.code]).toEqual([name, "not_found"]);
    }
  });

  it("takes nothing from a sandbox", async () => {
    const about = await waitingIn(tenants.attacker);
    const connection = await driver.sandboxConnection(tenants.attacker.owner.tenant.id, about.session_id, 1);
    expect((await say(connection, type, about))?.error?.code).toBe("forbidden");
  });
});

it("what the victim's session says reaches no socket of another tenant", async () => {
  const about = await waitingIn(tenants.victim);
  for (const [, connection] of sockets) await say(connection, "session.subscribe", about);
  const before = sockets.map(([, connection]) => driver.posted(connection).length);
  await tenants.victim.good("POST", `/sessions/${about.session_id}/messages`, { content: "a secret" });
  expect(sockets.map(([, connection]) => driver.posted(connection).length)).toEqual(before);
});
