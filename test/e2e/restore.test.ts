import type { Checkpoint, CreateCheckpointAnswer, DiffPage, RestoreAnswer } from "../../shared/protocol/checkpoint.ts";
import type { Message } from "../../shared/protocol/conversation.ts";
import type { Session } from "../../shared/protocol/session.ts";
import { killSupervisors, runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(120_000);

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;

beforeAll(async () => {
  local = await startLocalPlatform();
  person = await signUp(local.platform);
});
afterAll(async () => {
  await local.platform.stop();
  local.forget();
});

test("a person goes back and forth, with a sandbox and after it was killed, and sees what differs", async () => {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", {});
  const path = `/sessions/${session.id}`;
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  await runTurn(
    socket,
    session.id,
    "rehearsal: bash mkdir src; echo one > src/a.txt; echo x > b.txt; echo kept > c.log; echo '*.log' > .gitignore",
  );
  await runTurn(socket, session.id, "rehearsal: bash echo two >> src/a.txt; rm b.txt");
  await runTurn(socket, session.id, "rehearsal: bash sleep 0");

  const diff = await api.call<DiffPage>("GET", `${path}/checkpoints/2/diff`);
  expect(diff.data).toMatchObject([
    { path: "b.txt", status: "deleted", deletions: 1 },
    {
      path: "src/a.txt",
      status: "modified",
      insertions: 1,
      diff: "--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1,1 +1,2 @@\n one\n+two\n",
    },
  ]);
  const first = await api.call<DiffPage>("GET", `${path}/checkpoints/1/diff`);
  expect(first.data.map(({ path: name, status }) => [name, status])).toEqual([
    [".gitignore", "added"],
    ["b.txt", "added"],
    ["src/a.txt", "added"],
  ]);

  const planned = await api.call<RestoreAnswer>("POST", `${path}/restore`, { checkpoint: 1, dry_run: true });
  expect(planned.plan?.files).toMatchObject({
    added: { paths: ["b.txt"] },
    changed: { paths: ["src/a.txt"] },
    deleted: { count: 0 },
  });

  const back = await api.call<RestoreAnswer>("POST", `${path}/restore`, { checkpoint: 1, what: "files" });
  expect(back).toMatchObject({ state: "restored", checkpoint: 3 });
  const { ended } = await runTurn(socket, session.id, "rehearsal: bash cat src/a.txt b.txt c.log");
  expect(ended.data.checkpoint).toBe(3);
  const outputs = () => socket.events.flatMap((event) => (event.type === "tool.completed" ? [event.data.output] : []));
  expect(outputs().at(-1)).toMatch(/^one\nx\nkept/);
  expect(await api.call<CreateCheckpointAnswer>("POST", `${path}/checkpoints`, {})).toMatchObject({
    state: "unchanged",
    checkpoint: { number: 3 },
  });

  expect(killSupervisors()).toBe(1);
  await socket.waitFor("container.lost");
  const both = await socket.ask({ type: "checkpoint.restore", session_id: session.id, checkpoint: 2, what: "both" });
  expect(both).toMatchObject({ state: "restored", checkpoint: 4 });
  await runTurn(socket, session.id, "rehearsal: bash cat src/a.txt; ls");
  expect(outputs().at(-1)).toMatch(/^one\ntwo\nsrc/);
  const { data } = await api.call<{ data: Checkpoint[] }>("GET", `${path}/checkpoints`);
  expect(data.map(({ number, cause, restored_from }) => [number, cause, restored_from])).toEqual([
    [4, "restore", 2],
    [3, "restore", 1],
    [2, "turn", null],
    [1, "turn", null],
  ]);
  const compared = await api.call<DiffPage>("GET", `${path}/checkpoints/4/diff?against=1`);
  expect(compared.data).toEqual(diff.data);
  const { data: messages } = await api.call<{ data: Message[] }>("GET", `${path}/messages?limit=100`);
  expect(messages.length).toBeGreaterThan(8);
  await socket.close();
});

test("kill -9 of the sandbox at any moment of a restore: the files are those of one checkpoint or the other, and the log says which", async () => {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const session = await api.call<Session>("POST", "/sessions", {});
  const path = `/sessions/${session.id}`;
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  const fill = (text: string) => `rehearsal: bash mkdir -p d; for i in $(seq 400); do echo ${text} > d/$i; done`;
  await runTurn(socket, session.id, fill("one"));
  await runTurn(socket, session.id, fill("two"));
  for (const delayMs of [0, 60, 200]) {
    const asked = api.call<RestoreAnswer>("POST", `${path}/restore`, { checkpoint: 1, what: "files" });
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    killSupervisors();
    expect(await asked).toMatchObject({ state: "restored" });
    await runTurn(socket, session.id, "rehearsal: bash cat d/* | sort | uniq -c | tr -s ' '");
    const result = socket.events.findLast((event) => event.type === "tool.completed");
    expect(result?.type === "tool.completed" && result.data.output.trim()).toBe("400 one");
    await runTurn(socket, session.id, fill("two"));
  }
  await socket.close();
});
