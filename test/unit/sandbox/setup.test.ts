import { notesOf, Setup } from "../../../containers/sandbox/src/supervisor/setup.ts";
import { Redactor, SecretTexts } from "../../../containers/sandbox/src/supervisor/redactor.ts";
import type { ToolboxCommand } from "../../../containers/sandbox/src/link/toolbox-frame.ts";

function world(commands: string[], isThere = true, limitMs = 60) {
  const sent: Record<string, unknown>[] = [];
  const asked: ToolboxCommand[] = [];
  const setup = new Setup({
    link: { sendDurable: (frame) => sent.push(frame), sendLive: () => undefined, flush: async () => undefined },
    toolbox: {
      connected: async () => isThere,
      send: (command) => {
        asked.push(command);
        return true;
      },
    },
    configuration: {
      setup: commands,
      variables: async () => ({}),
      redactor: () => new Redactor(() => new SecretTexts([])),
    },
    limitMs,
    graceMs: 20,
  });
  return { setup, sent, asked };
}

it("nothing to run is nothing to tell", async () => {
  const { setup, sent } = world([]);
  expect(await setup.run()).toBeNull();
  expect(sent).toEqual([]);
});

it("a command that never ends, in a toolbox that does not answer, is over in time", async () => {
  const { setup, sent } = world(["sleep infinity", "never"]);
  const outcome = await setup.run();
  expect(outcome).toMatchObject({ ok: false, command: 0, exit_code: null });
  expect(sent.map(({ type }) => type)).toEqual(["sandbox.setup_started", "sandbox.setup_completed"]);
  expect(notesOf(outcome, ["sleep infinity"], [])).toContain("did not end by itself");
});

it("without a toolbox it fails and says so", async () => {
  const { setup } = world(["npm ci"], false);
  expect(await setup.run()).toMatchObject({ ok: false, tail: "the tool runner is not there" });
});

it("a toolbox that dies ends it", async () => {
  const { setup } = world(["npm ci"], true, 60_000);
  const running = setup.run();
  await new Promise((done) => setTimeout(done, 5));
  setup.toolboxLost();
  expect(await running).toMatchObject({ ok: false, exit_code: null, tail: "\nthe tool runner was restarted" });
});

it("later reports of a command that was given up change nothing", async () => {
  const { setup } = world(["a"]);
  const outcome = await setup.run();
  setup.report({ op: "completed", call_id: "setup", is_error: false, exit_code: 0 });
  setup.toolboxLost();
  expect(outcome).toMatchObject({ ok: false });
});
