import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importRepository } from "../../infra/local/git-host/repositories.ts";
import { showBranch } from "../../scripts/demo/checkpoint.ts";
import { openPreview } from "../../scripts/demo/preview.ts";
import type { TokenAnswer } from "../../shared/protocol/account.ts";
import type { Checkpoint } from "../../shared/protocol/checkpoint.ts";
import type { Message } from "../../shared/protocol/conversation.ts";
import type { OpenPreviewAnswer } from "../../shared/protocol/preview.ts";
import type { Session } from "../../shared/protocol/session.ts";
import type { UsageAnswer } from "../../shared/protocol/usage.ts";
import { ServerEventSchema } from "../../shared/protocol/server-event.ts";
import type * as z from "zod";
import { CheckedClient } from "../support/checked-client.ts";
import { runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(180_000);

const expectedTypes = [
  "message.delta",
  "tool.started",
  "tool.completed",
  "container.ready",
  "checkpoint.created",
  "usage.updated",
  "preview.ready",
  "file.changed",
] as const;

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;
let source: string;

const git = (...args: string[]) => execFileSync("git", ["-C", source, ...args], { encoding: "utf8" });

beforeAll(async () => {
  source = mkdtempSync(join(tmpdir(), "sandbox-e2e-repo-"));
  git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(source, "README.md"), "# A repository\n");
  git("add", ".");
  git("-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "first");
  local = await startLocalPlatform();
  await importRepository({ directory: local.platform.gitDir, source, repository: "demo/app" });
  person = await signUp(local.platform);
});

afterAll(async () => {
  await local.platform.stop();
  local.forget();
  rmSync(source, { recursive: true, force: true });
});

test("a chat builds software: text streams, tools run in the sandbox, the checkpoint is at the git host, the preview answers", async () => {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", { repo: "demo/app" });
  expect(session).toMatchObject({ repo: "demo/app", target_branch: "main", inbox_status: "active" });
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  const { ended } = await runTurn(
    socket,
    session.id,
    "Build a small to-do web app with tests and start its server.",
    120_000,
  );
  expect(ended.data).toMatchObject({ reason: "completed", checkpoint: 1, checkpoint_pending: false });

  const seen = new Set(socket.events.map(({ type }) => type));
  const missing = expectedTypes.filter((type) => !seen.has(type));
  // What the model said last tells why something is missing.
  const said = socket.events.findLast((event) => event.type === "message.completed");
  expect({ missing, said }).toEqual({ missing: [], said });
  for (const event of socket.events) expect(ServerEventSchema.safeParse(event).error).toBeUndefined();

  const { data: checkpoints } = await api.call<{ data: Checkpoint[] }>("GET", `/sessions/${session.id}/checkpoints`);
  expect(checkpoints).toMatchObject([{ number: 1, push_status: "pushed", branch: session.branch }]);
  const shown = await showBranch(`${local.platform.gitHostUrl}/demo/app.git`, String(session.branch), "main");
  expect(shown.commit).toBe(checkpoints[0]?.commit);
  expect(shown.stat).toMatch(/files? changed/);

  const preview = await socket.waitFor("preview.ready");
  const answer = await api.call<z.infer<typeof OpenPreviewAnswer>>("POST", `/sessions/${session.id}/preview`, {
    port: preview.data.port,
  });
  expect(await openPreview(answer)).toMatchObject({ status: 200, body: expect.stringContaining("<") });

  const { total: usage } = await api.call<UsageAnswer>("GET", `/sessions/${session.id}/usage`);
  const { data: messages } = await api.call<{ data: Message[] }>("GET", `/sessions/${session.id}/messages?limit=100`);
  const metered = messages.flatMap(({ usage: counted }) => (counted ? [counted] : []));
  expect(usage.model_calls).toBe(metered.length);
  expect(usage.output_tokens).toBe(metered.reduce((sum, { output_tokens }) => sum + output_tokens, 0));

  const seqs = socket.events.flatMap(({ seq }) => (seq === null ? [] : [seq]));
  expect(seqs.toSorted((a, b) => a - b)).toEqual(seqs.map((_, index) => index + 1));
  const late = await api.connectWithToken(webSocketUrl);
  await late.ask({ type: "session.subscribe", session_id: session.id });
  await late.waitFor("replay.completed");
  const durable = (events: typeof socket.events) =>
    events.filter(({ seq }) => seq !== null).toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  expect(durable(late.events)).toEqual(durable(socket.events));
  await Promise.all([socket.close(), late.close()]);
});

test("what a command prints is seen while it runs", async () => {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", { repo: "demo/app" });
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  await runTurn(socket, session.id, "rehearsal: bash echo one; sleep 1; echo two");
  const types = socket.events.map(({ type }) => type);
  const [first] = socket.events.filter((event) => event.type === "tool.output");
  expect(first).toMatchObject({ seq: null, data: { offset: 0, text: expect.stringMatching(/^one\n?$/) as string } });
  expect(types.indexOf("tool.output")).toBeLessThan(types.indexOf("tool.completed"));
  await socket.close();
});

test("sessions and their history survive a restart; the next prompt goes on where the workspace was", async () => {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", { repo: "demo/app" });
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  await runTurn(socket, session.id, "rehearsal: tools 4");
  await socket.close();
  // A session keeps the address of its repository.
  const gitPort = Number(new URL(local.platform.gitHostUrl).port);
  await local.platform.stop();

  local = { ...local, ...(await startLocalPlatform({ stateDir: local.stateDir, gitPort })) };
  const again = new CheckedClient(local.platform.httpUrl);
  again.signIn(
    await again.call<TokenAnswer>("POST", "/auth/login", { email: person.email, password: person.password }),
  );
  person = { ...person, api: again, webSocketUrl: local.platform.webSocketUrl };
  const { data } = await again.call<{ data: Session[] }>("GET", "/sessions");
  expect(data.map(({ id }) => id)).toContain(session.id);
  const next = await again.connect(local.platform.webSocketUrl);
  await next.ask({ type: "session.subscribe", session_id: session.id });
  const { ended } = await runTurn(next, session.id, "rehearsal: tools 2");
  expect(ended.data).toMatchObject({ reason: "completed" });
  const ready = next.events.filter(({ type }) => type === "container.ready").at(-1);
  expect(ready?.data).toMatchObject({ restored_checkpoint: 1 });
  await next.close();
});
