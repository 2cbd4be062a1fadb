import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { stop as stopBundler } from "esbuild";
import { bundle } from "../../scripts/bundle.ts";

export interface PrepareOptions {
  /** The project. */
  root: string;
  /** Where cloud assemblies are kept. */
  directory: string;
  /** The stack names Claude's models, or else the rehearsal's. */
  hasModelKey: boolean;
  /** @default - the stage's own */
  model?: string;
  /** Anything else of the stage that is set from outside, by its name. */
  context?: Record<string, string>;
}

export interface Prepared {
  templateDir: string;
  sandboxDir: string;
  nodeModulesDir: string;
}

const keptMs = 24 * 3_600_000;

/** Bundles what changed, and synthesizes the stack where its sources or context did. Throws the tool's own message. */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const { root, directory } = options;
  await bundle({ root });
  // Its process would stay for as long as this one.
  await stopBundler();
  const context = {
    "aws:cdk:enable-asset-metadata": true,
    stage: "local",
    ...(options.model === undefined ? {} : { model: options.model }),
    ...options.context,
  };
  const sources = ["dist/sources.sha256", "cdk.json"].map((file) => readFileSync(join(root, file), "utf8"));
  const hash = createHash("sha256")
    .update(JSON.stringify([sources, context, options.hasModelKey]))
    .digest("hex");
  const templateDir = join(directory, hash.slice(0, 16));
  if (!existsSync(templateDir))
    await synthesizeInto(templateDir, (next) => synthesize(root, next, context, options.hasModelKey));
  removeOld(directory, templateDir);
  return { templateDir, sandboxDir: join(root, "dist/sandbox"), nodeModulesDir: join(root, "node_modules") };
}

/** Puts a whole assembly there in one step: whoever comes second at the same time finds the first one's. */
async function synthesizeInto(directory: string, synthesizing: (next: string) => Promise<void>): Promise<void> {
  const next = `${directory}.${process.pid}`;
  mkdirSync(next, { recursive: true });
  try {
    await synthesizing(next);
    renameSync(next, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

/** Assemblies of earlier sources. A young one may still run elsewhere, and its functions load their code from it. */
function removeOld(directory: string, current: string): void {
  for (const path of readdirSync(directory).map((name) => join(directory, name))) {
    const ageMs = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (path !== current && ageMs > keptMs) rmSync(path, { recursive: true, force: true });
  }
}

/** Runs the CDK app by itself: no CLI, no credentials, no Docker. */
async function synthesize(root: string, directory: string, context: object, hasModelKey: boolean): Promise<void> {
  const env: NodeJS.ProcessEnv = {
    CDK_OUTDIR: directory,
    CDK_CONTEXT_JSON: JSON.stringify(context),
    // The rules are checked by `npm run check` and by `cdk synth`; here they would cost most of the start.
    CDK_VALIDATION: "false",
    CDK_DISABLE_STACK_TRACE: "1",
    // Whether there is one, never the key itself.
    ...(hasModelKey ? { ANTHROPIC_API_KEY: "set" } : {}),
  };
  const child = spawn(process.execPath, [join(root, "dist/infra/app.cjs")], {
    cwd: root,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`the stack cannot be synthesized:\n${errors.trim()}`);
}
