import { setTimeout as pause } from "node:timers/promises";
import { startRealToolbox, type RealToolbox } from "../../support/real-toolbox.ts";

/** The real toolbox in a container with limits: what a command is told that runs into one, and that the rest lives on. */
describe("limits are told plainly", () => {
  let toolbox: RealToolbox;
  beforeAll(async () => {
    toolbox = await startRealToolbox({ memoryMiB: 256, environment: { MEMORY_MIB: "256" } }, { pidsPerContainer: 80 });
  });
  afterAll(() => toolbox.stop());

  const alive = async () => expect(await toolbox.run("echo alive")).toMatchObject({ output: "alive", exitCode: 0 });

  const madeRoom = "bash: no process was left: everything that bash had started was killed";

  it("memory", async () => {
    const hungry = `node -e 'const kept = []; for (;;) kept.push(Buffer.alloc(8 * 1024 * 1024, 1));'`;
    const { output, isError } = await toolbox.run(hungry);
    expect(isError).toBe(true);
    expect(output).toMatch(/(killed: out of memory at|out of memory: the limit is) 256 MiB$/);
    await alive();
  });

  it("processes", async () => {
    const { output } = await toolbox.run("for n in $(seq 1 200); do sleep 3 & done 2>&1; wait -n; exit 1", {}, 8_000);
    // Bash gives up by itself where a child's end interrupts its last try.
    expect(output).toMatch(new RegExp(`\\ntoo many processes: limit 80(\\n${madeRoom})?$`));
    await toolbox.run("pkill sleep; true");
    await alive();
  });

  const takeAll = 'for (1..40000) { my $pid = fork; exec "sleep", "60" if defined $pid && !$pid; } sleep 60';

  it("a shell that dies while every process is taken: what it had started makes room", async () => {
    const { output } = await toolbox.run(
      `perl -e 'my $shell = getppid; if (!fork) { ${takeAll} } select undef, undef, undef, 0.5; kill 9, $shell; sleep 60'`,
    );
    expect(output).toBe(`bash: bash session terminated\ntoo many processes: limit 80\n${madeRoom}`);
    await alive();
  });

  it("no process is left for a shell: what an earlier one left makes room", async () => {
    await toolbox.run(`perl -e 'select undef, undef, undef, 0.2; ${takeAll}' & exit 3`);
    await pause(1_000);
    expect(await toolbox.run("echo alive")).toMatchObject({ output: `${madeRoom}\nalive`, exitCode: 0 });
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
