import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptySource } from "../../shared/protocol/sandbox-frame.ts";
import { prepareWorkspace } from "../../containers/sandbox/src/supervisor/workspace/prepare.ts";
import { type BenchHost, git, startBenchHost, treeOf } from "./checkpoint-repositories.ts";
import { milliseconds, ratio, row } from "./figures.ts";

/** Of the larger one a clone takes seconds: it is cloned three times, without a warm-up, and never by halves. */
const sizes = [
  { files: 100, rounds: Number(process.env["BENCH_ROUNDS"] ?? 7), warmUps: 1, withShallow: true },
  { files: 30_000, rounds: 3, warmUps: 0, withShallow: false },
];

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
  const source = { ...emptySource, repo_url: url, target_branch: "main" };
  const prepared = await prepareWorkspace(source, workspace, join(directory, "state"));
  prepared.store.close();
}

/** The workspace is what git says that it is. */
async function prove(repository: string, directory: string): Promise<void> {
  const expected = await git(repository, "rev-parse", "main^{tree}");
  const found = await treeOf(join(directory, "workspace"));
  if (found !== expected) throw new Error(`the workspace is ${found}, git's is ${expected}`);
}

/** How long it takes to fill a new folder, which is looked at and removed. */
async function fresh(
  into: string,
  clone: (into: string) => Promise<unknown>,
  look?: () => Promise<void>,
): Promise<number> {
  try {
    const ms = await timed(() => clone(into));
    await look?.();
    return ms;
  } finally {
    rmSync(into, { recursive: true, force: true });
  }
}

async function measureSize(directory: string, host: BenchHost, size: (typeof sizes)[number]): Promise<Times> {
  const { files, rounds, warmUps, withShallow } = size;
  const repository = await host.create(files);
  const url = host.url(repository);
  const times: Times = { ours: [], native: [], shallow: [] };
  const place = (name: string): string => join(directory, `${name}-${process.hrtime.bigint()}`);
  for (let round = -warmUps; round < rounds; round += 1) {
    const native = await fresh(place("native"), (into) => git(directory, "clone", "-q", url, into));
    const into = place("ours");
    const look = round === rounds - 1 ? () => prove(host.folder(repository), into) : undefined;
    const ours = await fresh(into, () => prepareOurs(url, into), look);
    const shallow = (into: string) => git(directory, "clone", "-q", "--depth=1", url, into);
    const shallowly = withShallow ? await fresh(place("shallow"), shallow) : null;
    if (round < 0) continue;
    times.native.push(native);
    times.ours.push(ours);
    if (shallowly !== null) times.shallow.push(shallowly);
  }
  return times;
}

/** The git host to a workspace that is ready, against `git clone` of the same (whole, and of the last commit alone). */
export async function measureClone(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bench-clone-"));
  const host = await startBenchHost(directory);
  try {
    for (const size of sizes) {
      const times = await measureSize(directory, host, size);
      console.log(`\n${size.files} files, ${size.rounds} rounds`);
      row("  ours", milliseconds(times.ours));
      row("  git clone", milliseconds(times.native));
      row("  ours to git clone", ratio(times.ours, times.native));
      if (!size.withShallow) continue;
      row("  git clone --depth=1", milliseconds(times.shallow));
      row("  ours to git clone --depth=1", ratio(times.ours, times.shallow));
    }
  } finally {
    await host.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
