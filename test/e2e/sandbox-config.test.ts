import type { Session } from "../../shared/protocol/session.ts";
import { runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(180_000);

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

const secret = "hunter2-of-the-end-to-end-test";

async function configured(sbx_config: Record<string, unknown>) {
  const { api, webSocketUrl } = person;
  const socket = await api.connect(webSocketUrl);
  const { id } = await api.call<Session>("POST", "/sessions", {});
  await api.call<Session>("PATCH", `/sessions/${id}`, { sbx_config });
  await socket.ask({ type: "session.subscribe", session_id: id });
  const run = async (command: string) => {
    const { turnId, ended } = await runTurn(socket, id, `rehearsal: bash ${command}`);
    expect(ended.data).toMatchObject({ reason: "completed" });
    const completed = socket.events.filter((event) => event.type === "tool.completed" && event.turn_id === turnId);
    return completed.map(({ data }) => String((data as { output: string }).output)).join("\n");
  };
  return { id, socket, run };
}

test("setup, variables, secrets, size and network of a session, as its user has them", async () => {
  const { api } = person;
  await api.call("PUT", "/secrets/DEPLOY_KEY", { value: secret });
  const { id, socket, run } = await configured({
    network: { policy: "allowlist", allow: ["example.com"] },
    setup: ['echo "set up with $MODE"; echo done > .set-up'],
    environment: { MODE: "testing", KEY: { secret: "DEPLOY_KEY" } },
    size: "small",
  });
  expect(await run('cat .set-up; echo "$MODE $KEY"; echo "$MEMORY_MIB"')).toMatch(/^done\ntesting \[KEY redacted\]/);
  const told = socket.events.filter(({ type }) => type === "container.setup").map(({ data }) => data);
  expect(told).toMatchObject([{ status: "started" }, { status: "ok", exit_code: 0, tail: "set up with testing" }]);
  const port = new URL(local.platform.httpUrl).port;
  const refused = await run(
    `curl -sS http://127.0.0.1:${port}/health --noproxy '*'; curl -sS http://127.0.0.1:${port}/health --noproxy ''; curl -sS http://other.example/`,
  );
  expect(refused).toContain("network policy allowlist: other.example:80: it is not in sbx_config.network.allow");
  expect(refused).toContain(`network policy allowlist: 127.0.0.1:${port}: it is not in sbx_config.network.allow`);
  expect(refused).not.toContain("version");

  // A running sandbox has the change with its next command.
  await api.call("PATCH", `/sessions/${id}`, { sbx_config: { network: { policy: "none" } } });
  await new Promise((done) => setTimeout(done, 500));
  expect(await run('curl -sS http://example.com/; echo "[$KEY]"')).toMatch(
    /network policy none: this sandbox has no network\s*\[\]/,
  );
  const log = await api.call("GET", `/sessions/${id}/events?limit=200`);
  expect(JSON.stringify([log, socket.events])).not.toContain(secret);
});

test("a setup that fails is told, and the tools run", async () => {
  const { socket, run } = await configured({
    setup: ["echo oh no; exit 7"],
    environment: { A: { secret: "NOWHERE" } },
  });
  const output = await run("echo works");
  expect(output).toMatch(/^\[setup: command 1 of .* ended with exit code 7.*oh no.*A is not set.*\nworks$/s);
  expect(socket.events.findLast(({ type }) => type === "container.setup")?.data).toMatchObject({
    status: "failed",
    exit_code: 7,
  });
});
