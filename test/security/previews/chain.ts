import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { PreviewServer } from "../../../containers/sandbox/src/supervisor/preview-server.ts";
import { onPreview } from "../../../functions/kit/preview.ts";
import type { ResponseStream } from "../../../functions/kit/streamed.ts";
import type { FunctionHost, InvokeOutcome, ResponseSink } from "../../../infra/local/contract.ts";
import { startRestApi, type RestApiConfig } from "../../../infra/local/gateway/rest-api.ts";
import { hmacPreviewCapabilities } from "../../../shared/adapters/preview-capabilities.ts";
import { relayRequest } from "../../../shared/adapters/preview-relay-http.ts";
import { rows } from "../../../shared/data/service.ts";
import type { PreviewHolder } from "../../../shared/ports/capabilities.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { says, startEngine } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";

type Front = ReturnType<typeof onPreview>;

/** Runs the front in this process, as the Lambda host runs it in a worker. */
async function run(front: Front, event: unknown, sink?: ResponseSink): Promise<InvokeOutcome> {
  const out = Object.assign(new PassThrough(), { setContentType: () => undefined }) satisfies ResponseStream;
  sink?.gone.addEventListener("abort", () => out.destroy());
  const sent = sink ? forward(out, sink) : text(out).then((all) => JSON.parse(all) as unknown);
  sent.catch(() => undefined);
  try {
    await front(event as Parameters<Front>[0], out);
    return { kind: "returned", payload: (await sent) ?? null };
  } catch (error) {
    return { kind: "threw", errorType: "Error", errorMessage: String(error), trace: [] };
  }
}

async function forward(out: PassThrough, sink: ResponseSink): Promise<void> {
  for await (const chunk of out as AsyncIterable<Buffer>) await sink.write(chunk);
}

const capabilities = hmacPreviewCapabilities({
  signing: async () => "s".repeat(32),
  async *candidates() {
    yield "s".repeat(32);
  },
});

const previewKey = "the-preview-key";
const controlKey = "the-control-key";

/** Gateway, front, relay and supervisor as they are, on loopback; the sandbox's network is this machine's. */
export async function startChain(
  app: (request: IncomingMessage, response: ServerResponse) => void,
  { prepare, upgrades }: Pick<RestApiConfig, "upgrades"> & { prepare?: (server: Server) => void } = {},
) {
  const engine = await startEngine(scriptedModel([() => says("Done.")]));
  const key = await engine.session();
  const holder = { userId: "usr_preview", generation: 1, keyId: null };
  for (const tenant_id of [key.tenant_id, "ten_other"])
    await rows(engine.deps.table)
      .entities.user.create({
        tenant_id,
        user_id: holder.userId,
        email: "p@example.com",
        role: "viewer",
        generation: 1,
        created_at: 0,
      })
      .go();
  const dials: number[] = [];
  const doorAsked: string[] = [];
  const server = createServer(app);
  prepare?.(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const appPort = (server.address() as AddressInfo).port;
  const previews = new PreviewServer({
    key: () => previewKey,
    dialPort: (port) => {
      dials.push(port);
      return new Promise<Socket>((done, fail) => {
        const socket = connect(port, "127.0.0.1", () => done(socket.pause())).once("error", fail);
      });
    },
    door: {
      isFor: (path) => path.startsWith("/.sandbox/door/"),
      handle: async (asked, answer) => {
        doorAsked.push(asked.url ?? "");
        answer.writeHead(200).end("door");
      },
    },
  });
  const address = `127.${32 + Math.floor(Math.random() * 16)}.${Math.floor(Math.random() * 250)}.${1 + Math.floor(Math.random() * 250)}`;
  await previews.listen(8080, address);
  const known: { origin: string } = { origin: "http://localhost:1" };
  const front = onPreview(() => ({
    ...engine.deps,
    capabilities,
    get previewOrigin() {
      return known.origin;
    },
    relay: relayRequest,
  }));
  const outage: { of: InvokeOutcome | null } = { of: null };
  const functions: FunctionHost = { invoke: async (_id, event, sink) => outage.of ?? run(front, event, sink) };
  const config = { apiId: "previews", stage: "v1", port: 0, functionId: "front", ...(upgrades ? { upgrades } : {}) };
  const gateway = await startRestApi(config, functions);
  const gatewayPort = Number(new URL(gateway.url).port);
  known.origin = `http://localhost:${gatewayPort}`;
  const place = async ({ tenant_id, session_id }: SessionKey) => {
    const now = engine.clock.now();
    const row = {
      tenant_id,
      session_id,
      epoch: 1,
      status: "ready" as const,
      requested_at: now,
      last_heartbeat_at: now,
    };
    await rows(engine.deps.table)
      .entities.container.create({ ...row, preview_key: previewKey, control_key: controlKey, private_ip: address })
      .go();
  };
  return {
    engine,
    key,
    front,
    /** What every invocation of the front comes to, while there is something here. */
    outage,
    place,
    /** The sandbox is alive. */
    beat: ({ tenant_id, session_id }: SessionKey) =>
      rows(engine.deps.table)
        .entities.container.patch({ tenant_id, session_id, epoch: 1 })
        .set({ last_heartbeat_at: engine.clock.now() })
        .go(),
    appPort,
    gatewayPort,
    dials,
    doorAsked,
    hostOf: (session: SessionKey, port = appPort) => `${session.session_id}--${port}.localhost:${gatewayPort}`,
    /** A cookie (or a ticket) as the platform issues them. */
    issue: (
      kind: "cookie" | "ticket",
      session: SessionKey,
      port = appPort,
      lifeMs = 60_000,
      by: PreviewHolder = holder,
    ) =>
      capabilities.issue(
        kind,
        { tenantId: session.tenant_id, sessionId: session.session_id, port, holder: by },
        engine.clock.now() + lifeMs,
      ),
    /** Signed as the version before did, which said nothing of who holds it. */
    issueNameless: (session: SessionKey) =>
      capabilities.issue(
        "cookie",
        {
          tenantId: session.tenant_id,
          sessionId: session.session_id,
          port: appPort,
          holder: {} as PreviewHolder,
        },
        engine.clock.now() + 60_000,
      ),
    async stop() {
      await gateway.stop();
      previews.close();
      server.closeAllConnections();
      server.close();
      await engine.stop();
    },
  };
}

export type Chain = Awaited<ReturnType<typeof startChain>>;

/** One connection, these bytes, and all that comes back within a moment. */
export function raw(port: number, bytes: string, waitMs = 400): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let back = "";
    socket.on("data", (chunk: Buffer) => (back += chunk.toString("latin1")));
    const end = () => {
      socket.destroy();
      resolve(back);
    };
    socket.on("error", end).on("close", end);
    setTimeout(end, waitMs).unref();
  });
}
