import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { s3Objects } from "../../shared/adapters/objects-s3.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import { bucket, startLocalBucket } from "../../test/integration/objects/local-bucket.ts";
import { type OurWorkspace, openOurs } from "./checkpoint-ours.ts";
import { type BenchHost, fileOf, git, startBenchHost, treeOf } from "./checkpoint-repositories.ts";
import { openOpencode, type OpencodeSnapshots } from "./checkpoint-opencode.ts";
import { milliseconds, ratio, row } from "./figures.ts";

const sizes = [100, 5_000, 30_000];
const warmUps = 2;
/** Each of its snapshots takes a second. */
const opencodeRounds = 3;
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 15);

interface Subject {
  files: number;
  repository: string;
  ours: OurWorkspace;
  /** The git program's clone. */
  native: string;
  opencode: OpencodeSnapshots | null;
}

type Figure = "ours" | "ours without uploads" | "native" | "our push" | "native push" | "opencode";
type Figures = Record<Figure, number[]>;

async function timed(what: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await what();
  return performance.now() - before;
}

async function open(directory: string, host: BenchHost, files: number): Promise<Subject> {
  const repository = await host.create(files);
  const native = join(directory, `native-${files}`);
  await git(directory, "clone", "-q", host.urlWithToken(repository), native);
  const ours = await openOurs(join(directory, `ours-${files}`), host.url(repository));
  return { files, repository, ours, native, opencode: openOpencode(directory, native) };
}

/** The same file of both, changed in one line. */
function change(directory: string, { files }: Subject, text: string): void {
  writeFileSync(join(directory, fileOf(Math.floor(files / 2))), `export const changed = ${JSON.stringify(text)};\n`);
}

async function measureOnce(subject: Subject, host: BenchHost, objects: Objects, round: number) {
  const { ours, native, repository } = subject;
  const target = { url: host.url(repository), branch: "ai/bench", ...host.credential(repository) };
  const commit = async (): Promise<void> => {
    await git(native, "add", "-A");
    await git(native, "commit", "-q", "-m", `round ${round}`);
  };
  ours.objects.current = objects;
  change(ours.path, subject, `${round} with uploads`);
  const withUploads = await timed(() => ours.checkpoint());
  ours.objects.current = null;
  change(ours.path, subject, `${round} without`);
  const without = await timed(() => ours.checkpoint());
  change(native, subject, `${round}`);
  const natively = await timed(commit);
  change(ours.path, subject, `${round} pushed`);
  // Apart from the checkpoint that it belongs to.
  await ours.checkpoint();
  const pushed = await timed(() => ours.push(target));
  const nativelyPushed = await timed(() => git(native, "push", "-q", "origin", "HEAD:refs/heads/native"));
  const figures: Partial<Record<Figure, number>> = {
    ours: withUploads,
    "ours without uploads": without,
    native: natively,
    "our push": pushed,
    "native push": nativelyPushed,
  };
  if (subject.opencode && round < opencodeRounds) {
    change(native, subject, `${round} for opencode`);
    figures.opencode = await subject.opencode.track();
  }
  return figures;
}

function print(files: number, figures: Figures, smallest: Figures): void {
  console.log(`\n1 changed file of ${files}`);
  for (const [name, values] of Object.entries(figures)) if (values.length > 0) row(`  ${name}`, milliseconds(values));
  row("  checkpoint, uploads included, to native", ratio(figures.ours, figures.native));
  row("  checkpoint without uploads to native", ratio(figures["ours without uploads"], figures.native));
  row("  checkpoint to our own of 100 files", ratio(figures.ours, smallest.ours));
  row("  push to native push", ratio(figures["our push"], figures["native push"]));
  if (figures.opencode.length > 0)
    row("  checkpoint to opencode's snapshot", ratio(figures.ours.slice(0, figures.opencode.length), figures.opencode));
}

const noFigures = (): Figures => ({
  ours: [],
  "ours without uploads": [],
  native: [],
  "our push": [],
  "native push": [],
  opencode: [],
});

async function prove({ ours, files }: Subject): Promise<void> {
  const { gitdir } = ours.prepared.store;
  await git(gitdir, "fsck", "--full", "--strict");
  const [tree, expected] = [await git(gitdir, "rev-parse", "refs/heads/checkpoint^{tree}"), await treeOf(ours.path)];
  if (tree !== expected) throw new Error(`the tree of ${files} files is ${tree}, git says ${expected}`);
}

/** One changed file: the supervisor's checkpoint against `git add -A && git commit` and opencode's snapshot; the push against `git push`. */
export async function measureCheckpoint(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bench-checkpoint-"));
  const [host, store] = [await startBenchHost(directory), await startLocalBucket()];
  const objects = s3Objects(store.connect(), bucket);
  const subjects: Subject[] = [];
  try {
    for (const files of sizes) subjects.push(await open(directory, host, files));
    const figures = new Map(subjects.map(({ files }) => [files, noFigures()]));
    for (let round = -warmUps; round < rounds; round += 1) {
      for (const subject of subjects) {
        const measured = await measureOnce(subject, host, objects, round);
        if (round < 0) continue;
        for (const [name, value] of Object.entries(measured)) figures.get(subject.files)?.[name as Figure].push(value);
      }
    }
    for (const subject of subjects) await prove(subject);
    const smallest = figures.get(100) ?? noFigures();
    for (const [files, values] of figures) print(files, values, smallest);
    console.log(`\nours: git fsck --full --strict clean, trees as git's, ${rounds} rounds`);
  } finally {
    for (const { ours } of subjects) ours.close();
    await Promise.all([host.stop(), store.stop()]);
    rmSync(directory, { recursive: true, force: true });
  }
}
