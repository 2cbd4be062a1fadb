import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareWorkspace } from "../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { git, startBenchHost, treeOf } from "./checkpoint-repositories.ts";
import { milliseconds, ratio, row } from "./figures.ts";

const sizes = [100, 30_000];
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 7);

interface Times {
  ours: number[];
  native: number[];
  shallow: number[];
}

async function timed(what: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await what();
  return performance.now() - before;
}

async function prepareOurs(url: string, directory: string): Promise<void> {
  const workspace = join(directory, "workspace");
  mkdirSync(workspace, { recursive: true });
  const source = { repo_url: url, target_branch: "main", base_commit: null, branch: null, commit: null, pack_urls: [] };
  const prepared = await prepareWorkspace(source, workspace, join(directory, "state"));
  prepared.store.close();
}

/** The git host to a workspace that is ready, against `git clone` of the same (whole, and of the last commit alone). */
export async function measureClone(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bench-clone-"));
  const host = await startBenchHost(directory);
  const place = (name: string): string => join(directory, `${name}-${process.hrtime.bigint()}`);
  const fresh = async (name: string, clone: (into: string) => Promise<unknown>): Promise<number> => {
    const into = place(name);
    try {
      return await timed(() => clone(into));
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  };
  try {
    for (const files of sizes) {
      const repository = await host.create(files);
      const url = host.url(repository);
      const times: Times = { ours: [], native: [], shallow: [] };
      for (let round = -1; round < rounds; round += 1) {
        const native = await fresh("native", (into) => git(directory, "clone", "-q", url, into));
        const ours = await fresh("ours", (into) => prepareOurs(url, into));
        const shallow = await fresh("shallow", (into) => git(directory, "clone", "-q", "--depth=1", url, into));
        if (round < 0) continue;
        times.native.push(native);
        times.ours.push(ours);
        times.shallow.push(shallow);
      }
      await prove(url, join(directory, `proof-${files}`));
      console.log(`\n${files} files`);
      row("  ours", milliseconds(times.ours));
      row("  git clone", milliseconds(times.native));
      row("  git clone --depth=1", milliseconds(times.shallow));
      row("  ours to git clone", ratio(times.ours, times.native));
      row("  ours to git clone --depth=1", ratio(times.ours, times.shallow));
    }
  } finally {
    await host.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function prove(url: string, directory: string): Promise<void> {
  await prepareOurs(url, directory);
  await git(directory, "clone", "-q", url, join(directory, "native"));
  const expected = await git(join(directory, "native"), "rev-parse", "HEAD^{tree}");
  const found = await treeOf(join(directory, "workspace"));
  if (found !== expected) throw new Error(`the workspace is ${found}, git's is ${expected}`);
}
