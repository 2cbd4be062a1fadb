import { randomUUID } from "node:crypto";
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import { onSocketFrame } from "../../../functions/kit/websocket.ts";
import { clientLink, type ClientFrameDeps } from "../../../functions/websocket/client-frames.ts";
import { sandboxLink, type SandboxFrameDeps } from "../../../functions/websocket/sandbox-frames.ts";
import { gcmSecretBox } from "../../../shared/adapters/secret-box-gcm.ts";
import { rows } from "../../../shared/data/service.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { objectKey } from "../../../shared/domain/timeline/timeline.ts";
import type { ModelRequest } from "../../../shared/ports/model.ts";
import type { SandboxFrameType } from "../../../shared/protocol/sandbox-frame.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { fixedSecret, scriptedModel } from "../../support/fakes.ts";
import { routeOf } from "../../support/socket-driver.ts";
import { turnDriver, type RunCommand } from "../../support/turn-driver.ts";

const secretBox = gcmSecretBox(fixedSecret("secrets-of-the-tests"));

interface Answer {
  type: string;
  error?: { code: string };
  result?: Record<string, unknown>;
}

/** A session whose turn waits for two calls that its sandbox was given. */
export interface Running {
  key: SessionKey;
  connectionId: string;
  runs: RunCommand[];
}

export const commit = "a".repeat(40);
const anyCall: RunCommand = { type: "tool.run", call_id: "t1", nonce: "" };
export const first = ({ runs }: Pick<Running, "runs">) => runs[0] ?? anyCall;
export const second = ({ runs }: Pick<Running, "runs">) => runs[1] ?? anyCall;

export const result = (call: { call_id: string; nonce: string }, more: Record<string, unknown> = {}) => ({
  type: "sandbox.tool_completed",
  frame_id: randomUUID(),
  call_id: call.call_id,
  nonce: call.nonce,
  is_error: false,
  output: "done",
  output_bytes: 4,
  object_key: null,
  duration_ms: 1,
  ...more,
});

const taken = (key: SessionKey) => ({
  turn_id: "trn_T",
  push: { status: "none", branch: null, error: null },
  error: null,
  checkpoint: {
    commit,
    parent_commit: null,
    tree: commit,
    message: "forged",
    stat: { files: 1, insertions: 1, deletions: 0 },
    pack_key: objectKey(key, "packs", commit),
    pack_bytes: 1,
    pack_is_complete: true,
    manifest_key: objectKey(key, "manifests", commit),
  },
});

/** What a frame of each type holds that would be good if its link were. */
const contents: Record<SandboxFrameType, (of: Running) => Record<string, unknown>> = {
  "sandbox.hello": () => ({ version: "1", private_ip: "10.9.9.9" }),
  "sandbox.ready": () => ({ restored_commit: null, base_commit: commit }),
  "sandbox.failed": () => ({ message: "no" }),
  "sandbox.heartbeat": () => ({}),
  "sandbox.tool_output": (of) => ({ call_id: first(of).call_id, offset: 0, text: "forged" }),
  "sandbox.tool_completed": (of) => result(first(of)),
  "sandbox.checkpoint_taken": ({ key }) => taken(key),
  "sandbox.checkpoint_pushed": () => ({ commit, branch: "main" }),
  "sandbox.upload_request": () => ({ purpose: "pack", length: 10, sha256: "b".repeat(64) }),
  "sandbox.files_changed": () => ({ by: "assistant", changes: [{ path: "a", kind: "created" }], more: 0 }),
  "sandbox.port_opened": () => ({ port: 3000 }),
  "sandbox.port_closed": () => ({ port: 3000 }),
  "sandbox.renew_token": () => ({}),
  "sandbox.read_configuration": () => ({}),
  "sandbox.setup_started": () => ({}),
  "sandbox.setup_output": () => ({ offset: 0, text: "forged" }),
  "sandbox.setup_completed": () => ({ ok: true, command: null, exit_code: 0, tail: "", duration_ms: 1 }),
  "sandbox.terminal_output": () => ({ terminal_id: "trm", offset: 0, data: "forged" }),
  "sandbox.terminal_changed": () => ({
    terminal_id: "trm",
    change: "closed",
    cols: 80,
    rows: 24,
    offset: 9,
    exit_code: 0,
  }),
  "sandbox.stopping": () => ({ reason: "idle" }),
};

export function framed(type: SandboxFrameType, of: Running) {
  return { ...contents[type](of), type, frame_id: randomUUID() };
}

function answerTo(request: ModelRequest) {
  const hasResults = JSON.stringify(request.messages).includes("tool_result");
  return hasResults ? says("Done.") : calls({ id: "t1" }, { id: "t2" });
}

export const startSandboxEngine = () => startEngine(scriptedModel([answerTo]));

/** Frames over the real handlers, and what is stored before and after them. */
export function sandboxWorld(engine: () => Engine) {
  const { ask } = turnDriver(engine);
  const mint = async () => ({ token: "a token", expiresInSeconds: 900 });
  const deps = () =>
    ({ ...engine().deps, sandboxTokens: { mint }, secretBox, defaultNetwork: "none" }) as unknown as SandboxFrameDeps &
      ClientFrameDeps;
  const connection = () => rows(engine().deps.table).entities.connection;
  const subscription = () => rows(engine().deps.table).entities.subscription;
  const expiresAt = () => Math.floor(engine().clock.now() / 1000) + 7200;
  const postedTo = (id: string) => (engine().sockets.posted.get(id) ?? []) as (Answer & RunCommand)[];

  /** A frame to the function that API Gateway chooses by its type, or to the other one; its answer. */
  async function send(connectionId: string, frame: unknown, via: "sandbox" | "client" = "sandbox") {
    const before = postedTo(connectionId).length;
    const routeKey = via === "sandbox" ? routeOf(frame) : "$default";
    const event = { requestContext: { connectionId, routeKey }, body: JSON.stringify(frame) };
    const handler = via === "sandbox" ? onSocketFrame(sandboxLink, deps) : onSocketFrame(clientLink, deps);
    const { body } = await handler(event as APIGatewayProxyWebsocketEventV2);
    if (body !== undefined) await engine().sockets.post(connectionId, body);
    return postedTo(connectionId)
      .slice(before)
      .find(({ type }) => type === "ack");
  }

  /** The row that `connect` writes for a sandbox token of this session and epoch. */
  async function link({ tenant_id, session_id }: SessionKey, epoch: number): Promise<string> {
    const connection_id = randomUUID();
    const times = { connected_at: engine().clock.now(), expires_at: expiresAt() };
    await connection()
      .create({ connection_id, kind: "sandbox", tenant_id, session_id, epoch, ...times })
      .go();
    return connection_id;
  }

  async function userLink({ tenant_id }: SessionKey): Promise<string> {
    const connection_id = randomUUID();
    const times = { connected_at: engine().clock.now(), expires_at: expiresAt() };
    await connection()
      .create({ connection_id, kind: "user", tenant_id, user_id: "usr_U", role: "owner", ...times })
      .go();
    return connection_id;
  }

  return {
    ask,
    send,
    link,
    userLink,

    async running(tenant?: string): Promise<Running> {
      const session = await engine().session(tenant);
      await ask(session, "Build it");
      await engine().work();
      const key = { tenant_id: session.tenant_id, session_id: session.session_id };
      const connectionId = await link(key, 1);
      await send(connectionId, { type: "sandbox.hello", frame_id: "h", version: "1", private_ip: null });
      await send(connectionId, { type: "sandbox.ready", frame_id: "r", restored_commit: null, base_commit: null });
      const runs = postedTo(connectionId).filter(({ type }) => type === "tool.run");
      expect(runs).toHaveLength(2);
      return { key, connectionId, runs };
    },

    /** Everything that is stored. Nothing that is refused may change a byte of it. */
    async stored(): Promise<string> {
      const { client, name } = engine().deps.table;
      const { Items = [] } = await client.send(new ScanCommand({ TableName: name, ConsistentRead: true }));
      const texts = Items.map((item) =>
        JSON.stringify(item, (_key, value: unknown) => (value instanceof Set ? [...value] : value)),
      );
      return JSON.stringify([texts.toSorted(), [...engine().objects.stored.keys()].toSorted()]);
    },

    /** Somebody watches the session: how many messages came to them. */
    async watched(key: SessionKey): Promise<() => number> {
      const connection_id = await userLink(key);
      const { tenant_id, session_id } = key;
      await subscription().create({ tenant_id, session_id, connection_id, expires_at: expiresAt() }).go();
      return () => postedTo(connection_id).length;
    },

    async storeObjects(key: SessionKey): Promise<void> {
      for (const folder of ["packs", "manifests"]) await engine().objects.put(objectKey(key, folder, commit), "x", "x");
    },
  };
}
