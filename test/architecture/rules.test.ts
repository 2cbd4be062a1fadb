import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "./support/sources.ts";

/** A tree that breaks each rule once: a rule that stops catching its case fails here. */
const tree: Record<string, string> = {
  "shared/errors.ts": "export const e = 1;",
  "shared/ports/clock.ts": `import { table } from "../data/table.ts"; export const c = table;`,
  "shared/data/table.ts": "export const table = 1;",
  "shared/protocol/a.ts": `import { e } from "../errors.ts"; export const a = e;`,
  "shared/protocol/node.ts": `import { join } from "node:path"; export const n = join;`,
  "shared/adapters/store.ts": `import { start } from "../domain/turn/turn.ts"; export const store = start;`,
  "shared/agent/loop.ts": `import { store } from "../adapters/store.ts"; export const loop = store;`,
  "shared/domain/turn/turn.ts": `import { store } from "../../adapters/store.ts"; export const start = store;`,
  "shared/domain/turn/turn.entity.ts": "export const turnEntity = 1;",
  "shared/domain/session/session.ts": `import { turnEntity } from "../turn/turn.entity.ts"; import { DynamoDBClient } from "@aws-sdk/client-dynamodb"; export const s = [turnEntity, DynamoDBClient];`,
  "shared/log.ts": `import { kit } from "../functions/kit/http.ts"; export const log = kit;`,
  "functions/kit/http.ts": `import { handler } from "../http/handler.ts"; export const kit = handler;`,
  "functions/http/handler.ts": `import { store } from "../../shared/adapters/store.ts"; import { stack } from "../../infra/stack.ts"; import { main } from "../../containers/sandbox/src/link.ts"; export const handler = [store, stack, main];`,
  "containers/sandbox/src/link.ts": "export const main = 1;",
  "infra/stack.ts": `import { start } from "../shared/domain/turn/turn.ts"; export const stack = start;`,
  "infra/local/start.ts": `import { handler } from "../../functions/http/handler.ts"; export const run = handler;`,
  "functions/http/lonely.ts": "export const lonely = 1;",
  "functions/http/nowhere.ts": `import { gone } from "./gone.ts"; export const nowhere = gone;`,
  "functions/turn/step.ts": `import jest from "jest"; export const step = jest;`,
};

const broken = `import { randomUUID } from "node:crypto";
import { Kind } from "./kind.ts";
export default function f(kind: Kind, value: any): number {
  console.log(process.env.HOME, value, randomUUID());
  Promise.resolve(1);
  [3, 1].sort();
  switch (kind) {
    case "a":
      return 1;
  }
  return 2;
}
export function long() {
${"  f('a', 1);\n".repeat(62)}}
${"//\n".repeat(340)}`;

function plant(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), "rules-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  for (const file of ["package.json", "tsconfig.json", ".oxlintrc.json", ".dependency-cruiser.cjs"]) {
    cpSync(join(root, file), join(directory, file));
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  return directory;
}

function runIn(directory: string, program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(join("node_modules", ".bin", program), args, {
    cwd: directory,
    encoding: "utf8",
  });
  return stdout + stderr;
}

let directory = "";
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("the import rules catch what they name", () => {
  directory = plant(tree);
  const output = runIn(
    directory,
    "depcruise",
    "--config",
    ".dependency-cruiser.cjs",
    "shared",
    "functions",
    "containers",
    "infra",
  );
  const caught = new Set([...output.matchAll(/^\s*error ([a-z-]+):/gm)].map((match) => match[1]));
  const { forbidden } = require(join(root, ".dependency-cruiser.cjs")) as { forbidden: { name: string }[] };
  expect(forbidden.map((rule) => rule.name).filter((name) => !caught.has(name))).toEqual([]);
});

it("the lint rules catch what they name", () => {
  const file = "shared/broken.ts";
  directory = plant({
    [file]: broken,
    "shared/kind.ts": `export type Kind = "a" | "b";`,
    "shared/hen.ts": `import { egg } from "./egg.ts"; export const hen = () => egg;`,
    "shared/egg.ts": `import { hen } from "./hen.ts"; export const egg = () => hen;`,
  });
  const output = runIn(directory, "oxlint", "--type-aware", "shared");
  const caught = new Set([...output.matchAll(/[a-z]+\(([a-z-]+)\)/g)].map((match) => match[1]));
  const expected = [
    "consistent-type-imports",
    "max-lines",
    "max-lines-per-function",
    "no-console",
    "no-cycle",
    "no-default-export",
    "no-explicit-any",
    "no-floating-promises",
    "no-process-env",
    "require-array-sort-compare",
    "switch-exhaustiveness-check",
  ];
  expect(expected.filter((rule) => !caught.has(rule))).toEqual([]);
});

it("the size check gives a handler forty lines and any file four hundred", () => {
  directory = plant({
    "functions/a.ts": `export const handler = 1;\n${"//\n".repeat(40)}`,
    "functions/b.ts": `export const handler = 1;\n${"//\n".repeat(39)}`,
    "shared/c.ts": "//\n".repeat(401),
    "shared/d.ts": "//\n".repeat(400),
    ...Object.fromEntries(["infra", "containers", "test", "scripts"].map((folder) => [`${folder}/e.ts`, "//\n"])),
  });
  const output = runIn(directory, "tsx", join(root, "scripts", "check-sizes.ts"));
  expect(output.trim().split("\n")).toEqual([
    "functions/a.ts: 41 lines, 40 allowed",
    "shared/c.ts: 401 lines, 400 allowed",
  ]);
});
