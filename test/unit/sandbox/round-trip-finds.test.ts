import { execFileSync } from "node:child_process";
import { NativeGit } from "./support/native-git.ts";
import { keepSnapshot, openWorkspace } from "./support/open-workspace.ts";

/** What the round trips found, as small as it gets: after each step our tree is git's. */
const found: [name: string, ...steps: string[]][] = [
  [
    "a tracked folder becomes an ignored file: it is not in git any more",
    "mkdir -p out/made kept/made; echo in > out/made/in; echo in > kept/made/in",
    "printf 'out/\\nmade\\n' > .gitignore",
    "rm -r out/made kept/made; ln -s elsewhere out/made; echo file > kept/made",
  ],
  [
    "a tracked file becomes an ignored folder, and comes back",
    "mkdir out; echo file > out/made",
    "echo made > .gitignore; rm out/made; mkdir out/made; echo in > out/made/in",
    "rm -r out/made; echo again > out/made",
    "rm .gitignore",
  ],
];

test.each(found)("%s", async (_, ...steps) => {
  const open = await openWorkspace();
  const git = new NativeGit(open.path);
  try {
    for (const step of steps) {
      execFileSync("bash", ["-c", `set -e; ${step}`], { cwd: open.path });
      open.workspace.distrust("the test changed it");
      expect({ step, tree: await keepSnapshot(open.workspace) }).toEqual({ step, tree: git.tree() });
    }
  } finally {
    open.close();
    git.remove();
  }
});

test("a change of mode alone is not lost with a snapshot that was never kept", async () => {
  const open = await openWorkspace();
  const git = new NativeGit(open.path);
  try {
    execFileSync("bash", ["-c", "echo 1 > tool; chmod +x tool"], { cwd: open.path });
    await keepSnapshot(open.workspace);
    // Longer than what the cache of stats takes for too fresh to be sure of.
    execFileSync("bash", ["-c", "chmod -x tool; sleep 0.2"], { cwd: open.path });
    open.workspace.distrust("the test changed it");
    const { undo } = await open.workspace.snapshot();
    undo();
    open.workspace.distrust("the test changed it");
    expect(await keepSnapshot(open.workspace)).toBe(git.tree());
  } finally {
    open.close();
    git.remove();
  }
});
