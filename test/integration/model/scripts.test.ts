import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { instant } from "../../../infra/local/model/answer.ts";
import { startRehearsalModel, type RehearsalModel } from "../../../infra/local/model/server.ts";
import { AnthropicModel } from "../../../shared/adapters/model-anthropic.ts";
import type { ModelMessage } from "../../../shared/ports/model.ts";
import { openToolset, playTurn, type PlayedTurn } from "./toolset.ts";
import { ask, failureOf, listen, never, request, stage } from "./support.ts";

let root: string;
let workspace: string;
let server: RehearsalModel;
let model: AnthropicModel;
let toolset: ReturnType<typeof openToolset>;
const servers: number[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "rehearsal-"));
  workspace = join(root, "workspace");
  await mkdir(workspace);
  const path = process.env["PATH"] ?? "";
  toolset = openToolset(workspace, { PATH: path, HOME: root, TMPDIR: root, PORT: "0" });
  ({ server, model } = await stage());
});
afterEach(async () => {
  toolset.close();
  for (const pid of servers.splice(0)) process.kill(pid, "SIGKILL");
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

function started(turn: PlayedTurn): string {
  const [, url, pid] = /listening on (\S+) pid (\d+)/.exec(turn.outputs.join("\n")) ?? [];
  if (url === undefined || pid === undefined)
    throw new Error(`no server in:\n${turn.outputs.join("\n---\n")}\n${turn.text}`);
  servers.push(Number(pid));
  return url;
}

describe("the build", () => {
  it("writes an app, sees its test fail, fixes it, starts the server, and changes it on request", async () => {
    const messages: ModelMessage[] = [];
    const turn = await playTurn(model, toolset, messages, 'Build a small task list app called "Shopping"');
    const url = started(turn);
    expect(turn.steps).toEqual([
      ["bash"],
      ["write", "write", "write"],
      ["write", "write", "write", "write"],
      ["bash"],
      ["edit"],
      ["bash"],
      ["bash"],
      ["bash"],
    ]);
    expect(turn.text).toMatch(/^Rehearsal model/);
    expect(turn.thinking).toMatch(/One test fails/);
    expect(turn.last).toMatch(/Done: .*Shopping/);
    expect(await (await fetch(url)).text()).toContain("<h1>Shopping</h1>");
    const added = await fetch(`${url}/api/tasks`, { method: "POST", body: JSON.stringify({ text: "milk" }) });
    expect(await added.json()).toMatchObject({ remaining: 3 });

    const blue = await playTurn(model, toolset, messages, "Please change the colour to purple");
    expect(blue.steps).toEqual([["read"], ["edit"], ["bash"]]);
    expect(await (await fetch(`${url}/style.css`)).text()).toContain("--accent: #7e22ce;");
    const footer = await playTurn(model, toolset, messages, "Add a footer that says <hello>");
    expect(footer.last).toMatch(/tests pass/);
    expect(await (await fetch(url)).text()).toContain("says &#60;hello&#62;</p>");
  });

  it("leaves what is in the workspace alone", async () => {
    await mkdir(join(workspace, "todo-app"));
    await writeFile(join(workspace, "todo-app", "server.js"), "mine");
    await writeFile(join(workspace, "package.json"), "{}");
    started(await playTurn(model, toolset, [], "Build me a web app"));
    expect((await readdir(workspace)).toSorted()).toEqual(["package.json", "todo-app", "todo-app-2"]);
    expect(await readFile(join(workspace, "todo-app", "server.js"), "utf8")).toBe("mine");
    expect(await readFile(join(workspace, "package.json"), "utf8")).toBe("{}");
  });

  it("goes on where it was after a restart of the model", async () => {
    const messages = [ask("Build an app")];
    for (let step = 0; step < 3; step += 1) {
      const { completed } = await listen(model.stream(request(messages), never));
      messages.push({ role: "assistant", content: completed.content });
      const calls = completed.content.filter((block) => block.type === "tool_use");
      const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "fine" }));
      messages.push({ role: "user", content: results });
    }
    const restarted = await startRehearsalModel({ port: 0, pace: instant });
    const other = new AnthropicModel({ apiKey: async () => "k", baseUrl: restarted.url });
    const shape = async (one: AnthropicModel) => {
      const { completed } = await listen(one.stream(request(messages), never));
      return completed.content.map(({ id: _, ...block }) => block);
    };
    expect(await shape(other)).toEqual(await shape(model));
    await restarted.stop();
  });

  it("stops and says so when a tool fails", async () => {
    const messages = [ask("Build an app")];
    const { completed } = await listen(model.stream(request(messages), never));
    const call = completed.content.find((block) => block.type === "tool_use");
    messages.push(
      { role: "assistant", content: completed.content },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: call?.["id"], content: "the sandbox was lost", is_error: true }],
      },
    );
    const after = await listen(model.stream(request(messages), never));
    expect(after.completed.stopReason).toBe("end_turn");
    expect(after.completed.content).toEqual([
      expect.objectContaining({ text: expect.stringMatching(/`bash` failed[^]*sandbox was lost/) }),
    ]);
  });

  it("types: text comes in pieces over time, and within two seconds", async () => {
    const slow = await startRehearsalModel({ port: 0 });
    const typist = new AnthropicModel({ apiKey: async () => "k", baseUrl: slow.url });
    const before = Date.now();
    const { deltas } = await listen(typist.stream(request([ask("Why is the sky blue?")]), never));
    const took = Date.now() - before;
    await slow.stop();
    expect(deltas.length).toBeGreaterThan(10);
    expect(took).toBeGreaterThan(150);
    expect(took).toBeLessThan(2500);
  });
});

describe("other prompts", () => {
  it("answers a question with text alone", async () => {
    const turn = await playTurn(model, toolset, [], "What is a closure?");
    expect(turn.steps).toEqual([]);
    expect(turn.text).toMatch(/^Rehearsal model.*What is a closure/);
  });

  it("plays N tool calls one after another, and N at once", async () => {
    const turn = await playTurn(model, toolset, [], "rehearsal: tools 10");
    expect(turn.steps.flat()).toEqual(Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? "write" : "bash")));
    expect((await readFile(join(workspace, "rehearsal", "file-8.txt"))).length).toBe(1024);
    const parallel = await playTurn(model, toolset, [], "rehearsal: parallel 3");
    expect(parallel.steps).toEqual([["bash", "bash", "bash"]]);
  });

  it("plays thinking between tools that goes back with its signatures", async () => {
    const turn = await playTurn(model, toolset, [], "rehearsal: thinking");
    expect(turn.steps).toEqual([["bash"], ["bash"]]);
    expect(turn.last).toMatch(/thought about it/);
  });

  it("plays commands: sleep, large output, any other", async () => {
    expect((await playTurn(model, toolset, [], "rehearsal: sleep 0")).outputs).toEqual(["slept 0"]);
    expect((await playTurn(model, toolset, [], "rehearsal: big-output")).outputs[0]?.length).toBeGreaterThan(100_000);
    expect((await playTurn(model, toolset, [], "rehearsal: bash echo $((6 * 7))")).last).toMatch(/ran:\n\n42/);
  });

  it.each([
    ["rehearsal: refuse", "refusal"],
    ["rehearsal: max-tokens", "max_tokens"],
    ["rehearsal: say anything", "end_turn"],
  ])("%s ends with %s", async (prompt, reason) => {
    expect((await listen(model.stream(request([ask(prompt)]), never))).completed.stopReason).toBe(reason);
  });

  it.each([
    ["rehearsal: error 529 x2", ["overloaded", "overloaded"]],
    ["rehearsal: error 429 x1 retry 3", ["overloaded"]],
    ["rehearsal: error 400", ["rejected"]],
    ["rehearsal: error-event", ["overloaded"]],
    ["rehearsal: cut", ["broken_stream"]],
    ["rehearsal: malformed x2", ["broken_stream", "broken_stream"]],
  ])("%s fails so often, then works", async (prompt, kinds) => {
    for (const kind of kinds) {
      expect((await failureOf(model.stream(request([ask(prompt)]), never))).kind).toBe(kind);
    }
    expect((await listen(model.stream(request([ask(prompt)]), never))).completed.stopReason).toBe("end_turn");
  });

  it("stalls once", async () => {
    const impatient = new AnthropicModel({ apiKey: async () => "k", baseUrl: server.url, idleMs: 100 });
    const stalled = () => impatient.stream(request([ask("rehearsal: stall\nrehearsal: tools 1")]), never);
    expect((await failureOf(stalled())).kind).toBe("broken_stream");
    expect((await listen(stalled())).completed.stopReason).toBe("tool_use");
  });
});
