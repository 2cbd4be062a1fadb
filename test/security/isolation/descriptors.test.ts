import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTables } from "../../../infra/local/tables/tables.ts";
import { systemClock } from "../../../shared/adapters/system-clock.ts";
import { startTestEcs, stopTestEcs } from "../../support/test-ecs.ts";

afterEach(stopTestEcs);

test("files that the platform holds open without the mark to be closed, as its database does, stay the platform's", async () => {
  const folder = mkdtempSync(join(tmpdir(), "descriptors-"));
  const tables = await createTables({ path: folder, tables: [], clock: systemClock });
  const ecs = await startTestEcs();
  const { taskArn } = await ecs.run();
  await ecs.ready(taskArn);
  for (const container of ["toolbox", "supervisor"] as const) {
    const { output } = await ecs.shell(
      taskArn,
      container,
      "for f in /proc/[0-9]*/fd/*; do readlink $f; done 2>/dev/null | sort -u",
    );
    expect(output).toContain("socket:");
    expect(output).not.toContain(folder);
  }
  await tables.stop();
  rmSync(folder, { recursive: true, force: true });
});
