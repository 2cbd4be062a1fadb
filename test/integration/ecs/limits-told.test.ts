import { startRealToolbox, type RealToolbox } from "../../support/real-toolbox.ts";

/** The real toolbox in a container with limits: what a command is told that runs into one, and that the rest lives on. */
describe("limits are told plainly", () => {
  let toolbox: RealToolbox;
  beforeAll(async () => {
    toolbox = await startRealToolbox({ memoryMiB: 256, environment: { MEMORY_MIB: "256" } }, { pidsPerContainer: 80 });
  });
  afterAll(() => toolbox.stop());

  const alive = async () => expect(await toolbox.run("echo alive")).toMatchObject({ output: "alive", exitCode: 0 });

  it("memory", async () => {
    const hungry = `node -e 'const kept = []; for (;;) kept.push(Buffer.alloc(8 * 1024 * 1024, 1));'`;
    const { output, isError } = await toolbox.run(hungry);
    expect(isError).toBe(true);
    expect(output).toMatch(/(killed: out of memory at|out of memory: the limit is) 256 MiB$/);
    await alive();
  });

  it("processes", async () => {
    const { output } = await toolbox.run("for n in $(seq 1 200); do sleep 3 & done 2>&1; wait -n; exit 1", {}, 8_000);
    expect(output).toMatch(/too many processes: limit 80$/);
    await toolbox.run("pkill sleep; true");
    await alive();
  });

  it("nothing where nothing was reached: an exit code alone is no limit", async () => {
    expect((await toolbox.run("echo 'no MemoryError, no ENOSPC'; exit 3")).output).not.toMatch(/limit|killed/);
    expect((await toolbox.run("false")).output).toBe("exit 1");
  });

  it("a command that was killed by somebody is perhaps out of memory, and no more", async () => {
    const { output, exitCode } = await toolbox.run("sleep 5 & kill -9 $!; wait $!");
    expect(exitCode).toBe(137);
    expect(output).toMatch(/killed: perhaps out of memory at 256 MiB/);
  });
});
