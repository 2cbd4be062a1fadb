import { Configuration } from "../../../containers/sandbox/src/supervisor/configuration.ts";

function world() {
  let now = 0;
  let secrets: Record<string, string> = {};
  const configuration = new Configuration({
    link: {
      request: async () => ({
        network: { policy: "none", allow: [] },
        setup: [],
        environment: secrets,
        secret: Object.keys(secrets),
        missing: [],
      }),
    },
    now: () => now,
    onNetwork: () => undefined,
  });
  const read = async (values: Record<string, string>): Promise<void> => {
    secrets = values;
    now += 60_000;
    await configuration.read();
  };
  return { configuration, read };
}

it("a secret keeps its name in what is shown, however often it is read again", async () => {
  const { configuration, read } = world();
  await read({ TOKEN: "one-value" });
  await read({ TOKEN: "one-value" });
  expect(configuration.redactor().push("one-value\n")).toBe("[TOKEN redacted]\n");
});

it("what was secret once stays unread: a server that was started with it may print it hours later", async () => {
  const { configuration, read } = world();
  for (const value of ["first-value", "second-value", "third-value"]) await read({ TOKEN: value });
  await read({});
  const shown = configuration.redactor().push("first-value third-value\n");
  expect(shown).toBe("[TOKEN (before) redacted] [TOKEN (before) redacted]\n");
  await read({ TOKEN: "first-value" });
  expect(configuration.redactor().push("first-value\n")).toBe("[TOKEN redacted]\n");
});

it("a stream that was open before a secret was known hides it too", async () => {
  const { configuration, read } = world();
  const terminal = configuration.redactor();
  expect(terminal.push("a prompt $ ")).toBe("a prompt $ ");
  await read({ TOKEN: "later-value" });
  expect(terminal.push("later-va") + terminal.push("lue\n")).toBe("[TOKEN redacted]\n");
});
