// People's code that swaps folders and files of the workspace for links that lead out, as fast as it can.
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [workspace, outside] = process.argv.slice(2);
const quietly = (run) => {
  try {
    run();
  } catch {
    // Somebody else was quicker.
  }
};
let swaps = 0;

function swapFolder(name) {
  const path = join(workspace, name);
  quietly(() => renameSync(path, `${path}.real`));
  quietly(() => symlinkSync(outside, path));
  quietly(() => unlinkSync(path));
  quietly(() => rmSync(path, { recursive: true }));
  quietly(() => renameSync(`${path}.real`, path));
  quietly(() => mkdirSync(join(path, "deep"), { recursive: true }));
}

function swapFile(name) {
  const path = join(workspace, name);
  quietly(() => symlinkSync(join(outside, "secret"), `${path}.link`));
  quietly(() => renameSync(`${path}.link`, path));
  quietly(() => writeFileSync(`${path}.plain`, "inside"));
  quietly(() => renameSync(`${path}.plain`, path));
}

function round() {
  for (let turn = 0; turn < 20; turn += 1) {
    swapFolder("swap");
    swapFolder("a/swap");
    swapFile("file");
    swapFile("a/file");
    swaps += 4;
  }
  setImmediate(round);
}

process.on("SIGTERM", () => {
  process.stdout.write(`${swaps}\n`, () => process.exit(0));
});
round();
