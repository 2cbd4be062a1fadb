import { shellTask, startTestEcs, stopTestEcs } from "../../support/test-ecs.ts";

/** Set by .ci/image.sh, which builds the image and unpacks it. */
const rootFilesystem = process.env["SANDBOX_ROOT_FILESYSTEM"];

afterEach(stopTestEcs);

async function linesOf(command: string[], container: "supervisor" | "toolbox"): Promise<string[]> {
  const idle = ["node", "-e", "setInterval(() => 0, 1000)"];
  const task = shellTask({
    supervisor: { command: idle, stopTimeoutSeconds: 0.1 },
    toolbox: { command: idle, stopTimeoutSeconds: 0.1 },
    [container]: { command },
  });
  const ecs = await startTestEcs({ taskDefinitions: [task], rootFilesystem });
  const { taskArn } = await ecs.run();
  await ecs.until(
    () =>
      ecs
        .eventsOf(taskArn)
        .some(({ detail }) =>
          detail.containers.some((each) => each.name === container && each.lastStatus === "STOPPED"),
        ),
    "the end",
  );
  return ecs.logs.filter((log) => log.container === container).map((log) => log.line);
}

// The image takes buildah and a minute: .ci/image.sh builds it and runs these.
const fromImage = rootFilesystem === undefined ? it.skip : it;

fromImage.each(["supervisor", "toolbox"] as const)("the image's %s starts and tells its version", async (program) => {
  const lines = await linesOf(["node", `/app/${program}.mjs`, "--version"], program);
  expect(lines.join("\n")).toMatch(/^\d+\.\d+\.\d+/);
});

fromImage("the image has its own current Node and tools, its users, and an /app that nobody can change", async () => {
  const script = [
    "node --version",
    "rg --version | head -1",
    "git --version",
    "python3 --version",
    "id",
    'cd /app && node -e \'console.log("ripgrep at", require("@vscode/ripgrep").rgPath)\'',
    "touch /workspace/made && echo workspace",
    "touch /app/made 2>/dev/null || echo app is read-only",
    "ls /var/lib/sandbox 2>/dev/null || echo no private folder",
  ].join("; ");
  const text = (await linesOf(["bash", "-c", script], "toolbox")).join("\n");
  expect(text).toMatch(/^v(2[2-9]|[3-9]\d)\./);
  for (const part of [
    "ripgrep",
    "git version",
    "Python 3",
    "uid=1000(user) gid=1000(user)",
    "ripgrep at /app/node_modules",
    "workspace",
    "app is read-only",
    "no private folder",
  ]) {
    expect(text).toContain(part);
  }
});
