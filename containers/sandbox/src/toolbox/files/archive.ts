import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { wholeMark } from "../../link/archive-mark.ts";
import type { OpenFolder } from "../../supervisor/workspace/open-folder.ts";

const timeoutMs = 120_000;
const leftOut = ["./.git", "*/.git", "node_modules", ".sandbox-tmp-*"];

/** A gzipped tar of the folder, links as links. tar runs here, where people's code runs: it reaches nothing that is not theirs. */
export async function writeArchive(folder: OpenFolder, into: Writable, programs: string): Promise<void> {
  const child = spawn(
    "tar",
    [
      "--create",
      "--gzip",
      "--format=pax",
      "--numeric-owner",
      "--owner=0",
      "--group=0",
      "--ignore-failed-read",
      "--warning=none",
      ...leftOut.map((name) => `--exclude=${name}`),
      ".",
    ],
    {
      cwd: folder.at("").replace("/self/", `/${process.pid}/`),
      env: { PATH: programs, LANG: "C.UTF-8", GZIP: "-1" },
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const code = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  into.on("close", () => child.kill("SIGKILL"));
  child.stdout.pipe(into, { end: false });
  const ended = await code.finally(() => clearTimeout(timer));
  // 1: a file changed while it was read, which is no fault of the archive.
  if (ended !== 0 && ended !== 1) throw new Error(`tar ended with ${ended}`);
  into.end(wholeMark);
  await finished(into);
}
