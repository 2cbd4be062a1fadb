import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runChaos } from "../../scripts/chaos/run.ts";

jest.setTimeout(240_000);

const stateDir = mkdtempSync(join(tmpdir(), "sandbox-chaos-"));
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

test("kill -9 of workers, sandboxes and the whole platform: every prompt is answered once, every answer billed once", async () => {
  const sessions = 4;
  const report = await runChaos({
    stateDir,
    assemblyDir: resolve(import.meta.dirname, "../../dist/test-assembly"),
    turns: 16,
    sessions,
    seed: 7,
    rhythm: { worker: 5_000, sandbox: 4_000, platform: 8_000 },
    killsOfEach: 2,
    turnLimitMs: 150_000,
    limitMs: 150_000,
    scheduleScale: 1 / 30,
    say: () => undefined,
  });
  const { kills, billing } = report;
  // What a failed run was like.
  expect(report).toMatchObject({ acked: 16, problems: [], stuck: [] });
  for (const count of Object.values(kills)) expect(count).toBeGreaterThan(0);
  expect(billing.wasted).toBeLessThanOrEqual(kills.worker + kills.platform * sessions);
});
