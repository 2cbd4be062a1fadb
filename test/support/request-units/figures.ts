import type { PlanName } from "../../../shared/ports/plans.ts";
import type { Session } from "../../../shared/protocol/session.ts";
import { calls, says } from "../engine.ts";
import { scriptedModel } from "../fakes.ts";
import { seededTurn, seedLog } from "../seed.ts";
import type { Units } from "./meter.ts";
import { startWorld, type World } from "./world.ts";

export interface Figure extends Units {
  call: string;
}

const prompt = "Add a page that lists the open orders of a customer, newest first. ".repeat(3);
const answer = "The page is there, with a test. It reads the orders in one query. ".repeat(12);
const output = "src/orders.ts\nsrc/orders.test.ts\n".repeat(40);
const toolIds = ["toolu_1", "toolu_2", "toolu_3"];
const replayedTurns = 5;

/** Measures one call after the other, on a platform that has served such calls before. */
class Book {
  readonly figures: Figure[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async note(call: string, run: () => Promise<unknown>): Promise<void> {
    this.figures.push({ call, ...(await this.#world.meter.of(run)) });
  }
}

type Commands = { type: string; call_id: string; nonce: string; turn_id: string }[];

/** One turn in a sandbox that is up: prompt, a step with three calls, their results, the last step, the checkpoint. */
async function noteTurn(book: Book, world: World, session: Session, note = true): Promise<void> {
  const noted = (call: string, run: () => Promise<unknown>) => (note ? book.note(call, run) : run());
  const sent = () => (world.sockets.posted.get("sandbox") ?? []) as Commands;
  const before = sent().length;
  const frame = { type: "message.send" as const, session_id: session.id, content: prompt, delivery: "queue" as const };
  await noted("`message.send`, a turn begins", () => world.say("browser", frame));
  await noted("step with 3 tool calls", () => world.work());
  const runs = sent()
    .slice(before)
    .filter(({ type }) => type === "tool.run");
  const result = (run: Commands[number] | undefined) => ({
    type: "sandbox.tool_completed" as const,
    call_id: run?.call_id ?? "",
    nonce: run?.nonce ?? "",
    is_error: false,
    output,
    output_bytes: output.length,
    object_key: null,
    duration_ms: 120,
  });
  const [first, second, third] = runs;
  await noted("`sandbox.tool_output`", () =>
    world.report("sandbox", { type: "sandbox.tool_output", call_id: first?.call_id ?? "", offset: 0, text: "ok" }),
  );
  await noted("`sandbox.tool_completed`", () => world.report("sandbox", result(first)));
  await world.report("sandbox", result(second));
  await noted("`sandbox.tool_completed`, the last of a step", () => world.report("sandbox", result(third)));
  await noted("step without tools", () => world.work());
  const take = sent().findLast(({ type }) => type === "checkpoint.take");
  await noted("`sandbox.checkpoint_taken`, the turn ends", () =>
    world.report("sandbox", {
      type: "sandbox.checkpoint_taken",
      turn_id: take?.turn_id ?? "",
      checkpoint: null,
      push: { status: "none", branch: null, error: null },
      error: null,
    }),
  );
  await noted("`sandbox.heartbeat`", () => world.report("sandbox", { type: "sandbox.heartbeat" }));
}

const turnScript = () => [() => calls(...toolIds.map((id) => ({ id }))), () => says(answer)];

async function startSandbox(world: World, tenantId: string, session: Session): Promise<void> {
  const { token } = await world.platform.deps.sandboxTokens.mint({ tenantId, sessionId: session.id, epoch: 1 });
  await world.connectByToken("sandbox", token);
  await world.report("sandbox", { type: "sandbox.hello", version: "1", private_ip: "127.0.0.9" });
  await world.report("sandbox", { type: "sandbox.ready", restored_commit: null, base_commit: null });
}

/** What the commonest calls cost in request units, through the real handlers. */
export async function takeFigures(plan: PlanName): Promise<Figure[]> {
  const script = [() => says(answer), ...turnScript(), ...turnScript(), ...turnScript()];
  const world = await startWorld(scriptedModel(script), plan);
  try {
    const book = new Book(world);
    const owner = await world.platform.register();
    const http = (method: string, path: string, body?: unknown) => world.http(owner, method, path, body);
    const create = { messages: { content: prompt } };
    const session = (await http("POST", "/sessions", {})) as unknown as Session;
    const history = (await http("POST", "/sessions", {})) as unknown as Session;
    for (let more = 0; more < 30; more += 1) await http("POST", "/sessions", {});
    const key = { tenant_id: owner.tenant.id, session_id: history.id };
    await seedLog(world.step.table, key, Array.from({ length: 25 }, (_, at) => seededTurn(at + 1, 1, answer)).flat());
    const { ticket } = await http("POST", "/ws-tickets");
    await book.note("`$connect` with a ticket", () => world.connectByTicket("browser", String(ticket)));
    await book.note("`ping`", () => world.say("browser", { type: "ping" }));
    const subscribe = (session_id: string, after = 0) =>
      world.say("browser", { type: "session.subscribe", session_id, after });
    const rowsReplayed = seededTurn(1, 1).length * replayedTurns;
    const after = 25 * seededTurn(1, 1).length - rowsReplayed;
    await book.note(`\`session.subscribe\` with ${rowsReplayed} events`, () => subscribe(history.id, after));
    await subscribe(session.id);
    await world.say("browser", { type: "message.send", session_id: session.id, content: prompt, delivery: "queue" });
    await world.work();
    await startSandbox(world, owner.tenant.id, session);
    await noteTurn(book, world, session, false);
    await noteTurn(book, world, session);
    await book.note("all of such a turn, with 3 results", () => noteTurn(book, world, session, false));
    await book.note("`POST /ws-tickets`", () => http("POST", "/ws-tickets"));
    await book.note("`POST /sessions` with a prompt", () => http("POST", "/sessions", create));
    await book.note("`GET /sessions/{id}`", () => http("GET", `/sessions/${session.id}`));
    await book.note("`GET /sessions`, 25", () => http("GET", "/sessions"));
    await book.note("`GET /inbox`, 25", () => http("GET", "/inbox"));
    await book.note("`GET /sessions/{id}/messages`, 50 newest", () =>
      http("GET", `/sessions/${history.id}/messages?order=desc`),
    );
    await book.note("`GET /sessions/{id}/events`, 200 newest", () =>
      http("GET", `/sessions/${history.id}/events?order=desc`),
    );
    return book.figures;
  } finally {
    await world.stop();
  }
}
