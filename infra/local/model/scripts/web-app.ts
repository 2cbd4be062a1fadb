import type { ToolStep, TurnView } from "../turn-view.ts";
import type { Move } from "./move.ts";
import { bug, fix, pageFiles, logicFiles } from "./web-app-files.ts";

/**
 * The build, move by move. Each move looks at what the moves before really did, so a tool that failed ends the script
 * instead of being talked over.
 */
export function playWebApp(view: TurnView): Move {
  const failed = failedStep(view.steps);
  if (failed !== null) return failed;
  const move = moves[view.steps.length];
  return move === undefined ? { words: "The script is over." } : move(new Build(view));
}

/** Where the last turns built their app, or null. */
export function builtFolder(steps: ToolStep[]): string | null {
  const written = steps
    .flat()
    .filter((outcome) => outcome.name === "write" && !outcome.isError)
    .map((outcome) => /^([\w.-]+)\/server\.js$/.exec(String(outcome.input["file_path"]))?.[1])
    .filter((folder) => folder !== undefined);
  return written.at(-1) ?? null;
}

const testStep = 3;

class Build {
  readonly folder: string;
  readonly title: string;

  constructor(readonly view: TurnView) {
    this.folder = freeFolder(this.output(0));
    this.title = titleIn(view.prompt);
  }

  output(step: number): string {
    return this.view.steps[step]?.[0]?.output ?? "";
  }

  get testsFailed(): boolean {
    return this.view.steps[testStep]?.[0]?.isError === true;
  }

  /** Null where the log does not say that it listens. */
  get port(): string | null {
    const log = this.view.steps.findLast((step) => step[0]?.output.includes("listening on"))?.[0]?.output ?? "";
    return /listening on http:\/\/[\w.]+:(\d+)/.exec(log)?.[1] ?? null;
  }

  get log(): string {
    return `"\${TMPDIR:-/tmp}/${this.folder}.log"`;
  }
}

const moves: readonly ((build: Build) => Move)[] = [
  () => ({ words: "I look at the workspace first.", calls: [bash("pwd && ls -A")] }),
  (build) => ({
    words: `I put the app into \`${build.folder}/\`, so that nothing else is touched, and begin with its logic and a test.`,
    calls: writes(build, logicFiles),
  }),
  (build) => ({ words: "Now the server and the page.", calls: writes(build, pageFiles) }),
  (build) => ({ words: "Before anything runs, the tests.", calls: [runTests(build.folder)] }),
  (build) => {
    if (!build.testsFailed)
      return { words: "The tests pass at once, so I start the server.", calls: [startServer(build)] };
    return {
      words: "One test fails: `remaining` counts the tasks that are done instead of those that are left. I fix that.",
      calls: [{ name: "edit", input: { file_path: `${build.folder}/tasks.js`, old_string: bug, new_string: fix } }],
    };
  },
  (build) => {
    if (!build.testsFailed) return askServer(build);
    return { words: "Again the tests.", calls: [runTests(build.folder)] };
  },
  (build) => {
    if (!build.testsFailed) return summary(build);
    if (build.view.steps[5]?.[0]?.isError) return stop("the tests still fail", build.output(5));
    return { words: "All tests pass. I start the server in the background.", calls: [startServer(build)] };
  },
  (build) => askServer(build),
  (build) => summary(build),
];

function askServer(build: Build): Move {
  const { port } = build;
  if (port === null) return stop("the server did not start", build.output(build.view.steps.length - 1));
  const url = `http://127.0.0.1:${port}`;
  const script = `for (const p of ["/", "/api/tasks"]) { const r = await fetch("${url}" + p); console.log(r.status, (await r.text()).slice(0, 300)); }`;
  return {
    words: `It listens on port ${port}. I ask it for its page and its list.`,
    calls: [
      bash(
        `if command -v curl > /dev/null; then curl -sS -i ${url}/ | head -n 20 && curl -sS ${url}/api/tasks; ` +
          `else node --input-type=module -e '${script}'; fi`,
      ),
    ],
  };
}

function summary(build: Build): Move {
  const files = build.view.steps.flat().filter((outcome) => outcome.name === "write");
  const tests = build.testsFailed ? "The tests found one mistake, which I fixed; they pass now." : "The tests pass.";
  return {
    words:
      `Done: a small task list, “${build.title}”, in \`${build.folder}/\`.\n\n` +
      files.map((outcome) => `- \`${String(outcome.input["file_path"])}\``).join("\n") +
      `\n\n${tests} The server runs on port ${build.port ?? "unknown"} and answers; open the preview to use it. ` +
      "This was a rehearsal script: the files, the test run and the server are real, the thinking was not.",
  };
}

function stop(what: string, output: string): Move {
  return { words: `I stop here, because ${what}. The last output was:\n\n${output.slice(-800)}` };
}

/** The tests may fail once, they are meant to; nothing else may. */
function failedStep(steps: ToolStep[]): Move | null {
  for (const [index, step] of steps.entries()) {
    const failed = step.find((outcome) => outcome.isError);
    if (failed === undefined) continue;
    const isExpected = (index === testStep && /\bfail [1-9]/.test(failed.output)) || index === 5;
    if (!isExpected) return stop(`\`${failed.name}\` failed`, failed.output);
  }
  return null;
}

function writes(build: Build, files: (title: string) => Record<string, string>): Move["calls"] {
  return Object.entries(files(build.title)).map(([path, content]) => ({
    name: "write",
    input: { file_path: `${build.folder}/${path}`, content },
  }));
}

export function runTests(folder: string): { name: string; input: Record<string, unknown> } {
  return bash(`(cd ${folder} && node --test --test-reporter=spec tasks.test.js)`);
}

/** Detached from the shell, which the next `restart` would end together with everything in its process group. */
function startServer(build: Build): { name: string; input: Record<string, unknown> } {
  const { folder, log } = build;
  return bash(
    `(cd ${folder} && setsid nohup node server.js > ${log} 2>&1 < /dev/null &) ; ` +
      `for i in $(seq 1 100); do grep -q "listening on" ${log} 2> /dev/null && break; sleep 0.1; done; cat ${log}`,
  );
}

function bash(command: string): { name: string; input: Record<string, unknown> } {
  return { name: "bash", input: { command } };
}

function freeFolder(listing: string): string {
  const names = new Set(listing.split("\n").map((line) => line.trim()));
  let folder = "todo-app";
  for (let number = 2; names.has(folder); number += 1) folder = `todo-app-${number}`;
  return folder;
}

function titleIn(prompt: string): string {
  const named = /\b(?:called|named)\s+["“']?([\p{L}\p{N}][\p{L}\p{N} -]{1,28}[\p{L}\p{N}])/u.exec(prompt)?.[1];
  return named ?? "Todo";
}
