import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointMaker } from "../../../containers/sandbox/src/supervisor/git/checkpoint-maker.ts";
import { emptyFolder } from "../../../containers/sandbox/src/supervisor/git/folder-tree.ts";
import { History } from "../../../containers/sandbox/src/supervisor/git/history.ts";
import { ObjectStore } from "../../../containers/sandbox/src/supervisor/git/object-store.ts";
import { StatCache } from "../../../containers/sandbox/src/supervisor/git/stat-cache.ts";
import { Workspace } from "../../../containers/sandbox/src/supervisor/workspace/workspace.ts";

/** A checkpoint of one file of so many megabytes that nothing compresses; prints the process's largest memory. */
const megabyte = 1024 * 1024;
const megabytes = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "large-file-"));
const path = join(folder, "workspace");
mkdirSync(path);

/** Not `maxRSS`, which a process takes over from the one that it was forked from. */
function peakMegabytes(): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

const store = new ObjectStore(join(folder, "git"));
await store.create();
const history = new History(null, join(folder, "parts"));
const options = { path, markFolder: join(folder, "marks"), store, stats: new StatCache(), root: emptyFolder };
const workspace = new Workspace({ ...options, onFilesChanged: () => undefined, share: async () => undefined });
workspace.watch();
for (let part = 0; part < megabytes; part += 1)
  writeFileSync(join(path, "large"), randomBytes(megabyte), { flag: "a" });
const uploads = { put: async (_purpose: string, body: Buffer) => `key-${body.length}` };
const maker = new CheckpointMaker({ uploads, workspace, history, isFirst: true, now: Date.now });
const person = { name: "Test", email: "test@example.com" };
const { snapshot, keep } = await workspace.snapshot();
const startedAt = performance.now();
const taken = await maker.save({ message: "large", author: person, co_author: person }, snapshot);
keep();
const read = await store.read(taken.commit);
process.stdout.write(
  JSON.stringify({
    packBytes: taken.pack_bytes,
    commit: read.type,
    leftOut: snapshot.leftOut,
    peakMegabytes: peakMegabytes(),
    ms: Math.round(performance.now() - startedAt),
  }),
);
workspace.close();
store.close();
rmSync(folder, { recursive: true, force: true });
