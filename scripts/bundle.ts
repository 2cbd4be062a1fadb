import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { requiredBuiltins } from "./builtins.ts";
import { slim, withoutJsonSchema } from "./slim.ts";

/** Bytes of each bundle, by its path below the output directory. */
export type BundleSizes = Record<string, number>;

export interface BundleOptions {
  /** @default - the working directory */
  root?: string;
  /** Rebuild although nothing changed. @default false */
  force?: boolean;
}

/** Construct id of each function, and where its handler is. */
export const functionEntries = {
  Http: "functions/http/handler.ts",
  Connect: "functions/websocket/connect.ts",
  Disconnect: "functions/websocket/disconnect.ts",
  Frames: "functions/websocket/frames.ts",
  Sandbox: "functions/websocket/sandbox.ts",
  Turn: "functions/turn/step.ts",
  DeadLetters: "functions/turn/dead-letters.ts",
  Naming: "functions/naming/handler.ts",
  Sweeper: "functions/sweeper/handler.ts",
  ContainerEvents: "functions/container-events/handler.ts",
  Jobs: "functions/jobs/handler.ts",
  KeyRotation: "functions/key-rotation/handler.ts",
  PreviewFront: "functions/preview/front.ts",
  PreviewRelay: "functions/preview/relay.ts",
  Outbound: "functions/outbound/outbound.ts",
  Courier: "functions/outbound/courier.ts",
} as const;

const sandboxEntries = {
  supervisor: "containers/sandbox/src/supervisor/main.ts",
  toolbox: "containers/sandbox/src/toolbox/main.ts",
} as const;

const stackEntry = "infra/app.ts";

/** The sandbox image is built from `dist/sandbox` alone: these files, the two programs and nothing else. */
const imageFiles = ["Dockerfile", "package.json"].map((name) => join("containers/sandbox", name));

const sourceDirectories = ["functions", "shared", "containers", "infra"];
const notBundled = ["node_modules", "local"];
const otherSources = [
  "package.json",
  "package-lock.json",
  "scripts/bundle.ts",
  "scripts/builtins.ts",
  "scripts/slim.ts",
];

const sizesFile = "dist/sizes.json";
const hashFile = "dist/sources.sha256";

const KB = 1024;
const staleLockMs = 60_000;
/** Goals, since a cold start reads and compiles all of a bundle. */
const defaultLimitBytes = 700 * KB;
const limitsBytes: BundleSizes = {
  "functions/Connect/index.mjs": 400 * KB,
  "functions/Turn/index.mjs": 1331 * KB,
  // Nobody waits for a job to start.
  "functions/Jobs/index.mjs": 800 * KB,
  // A container starts in seconds whatever these weigh.
  "sandbox/supervisor.mjs": 3 * KB * KB,
  "sandbox/toolbox.mjs": 3 * KB * KB,
};

/** CommonJS packages inside an ES module call `require`. */
const banner = {
  js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
};

const common: BuildOptions = {
  bundle: true,
  write: false,
  platform: "node",
  // The oldest Node that runs them: one machine has Node 20, Lambda 24.
  target: "node20",
  minify: true,
  legalComments: "none",
  sourcemap: "external",
  sourcesContent: false,
  logLevel: "silent",
};

/**
 * Bundles every function, the two programs of the sandbox and the stack itself into `dist/`, and writes `dist/sizes.json`.
 * Does nothing where `dist/` was built from the same sources. Throws naming the entries that do not exist, or the error
 * of the bundler with file and line.
 */
export async function bundle(options: BundleOptions = {}): Promise<BundleSizes> {
  const root = resolve(options.root ?? ".");
  const missing = [
    ...Object.values(functionEntries),
    ...Object.values(sandboxEntries),
    stackEntry,
    ...imageFiles,
  ].filter((path) => !existsSync(join(root, path)));
  if (missing.length > 0) throw new Error(`cannot bundle, missing: ${missing.join(", ")}`);

  const hash = hashSources(root);
  const earlier = () => (options.force ? null : builtFrom(root, hash));
  return earlier() ?? (await alone(root, async () => earlier() ?? (await buildAll(root, hash))));
}

/** Two test files may want the same bundles at once: one builds, the other finds them built. */
async function alone<T>(root: string, run: () => Promise<T>): Promise<T> {
  const lock = join(root, "dist/.building");
  mkdirSync(dirname(lock), { recursive: true });
  while (!taken(lock)) await pause(50);
  try {
    return await run();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Who died while it built leaves its lock behind: it counts for a minute. */
function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - since > staleLockMs) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

async function buildAll(root: string, hash: string): Promise<BundleSizes> {
  // A build that dies half way must not pass for the earlier one.
  rmSync(join(root, hashFile), { force: true });

  const outputs = (await Promise.all([buildPrograms(root), buildStack(root)])).flat();
  const sizes: BundleSizes = {};
  for (const { path, contents } of outputs) {
    const name = relative(join(root, "dist"), path);
    if (!name.endsWith(".map")) sizes[name] = contents.byteLength;
    writeWhole(name.endsWith(".map") ? join(root, "dist/maps", name) : path, contents);
  }
  for (const file of imageFiles) copyFileSync(join(root, file), join(root, "dist/sandbox", basename(file)));
  writeWhole(join(root, sizesFile), JSON.stringify(sizes, null, 2));
  writeWhole(join(root, hashFile), hash);
  return sizes;
}

/** The API describes itself; nothing else needs to know how. */
const describesSchemas = new Set<string>([functionEntries.Http]);

async function buildPrograms(root: string) {
  const functions = Object.entries(functionEntries).map(([id, path]) => ({ in: path, out: `functions/${id}/index` }));
  const programs = Object.entries(sandboxEntries).map(([name, path]) => ({ in: path, out: `sandbox/${name}` }));
  const all = [...functions, ...programs];
  const describing = all.filter((entry) => describesSchemas.has(entry.in));
  const others = all.filter((entry) => !describesSchemas.has(entry.in));
  const outputs = [buildEntries(root, describing, []), buildEntries(root, others, [withoutJsonSchema])];
  return (await Promise.all(outputs)).flat();
}

async function buildEntries(root: string, entryPoints: { in: string; out: string }[], plugins: Plugin[]) {
  const { outputFiles = [] } = await build({
    ...common,
    absWorkingDir: root,
    entryPoints,
    outdir: "dist",
    outExtension: { ".js": ".mjs" },
    format: "esm",
    banner,
    mainFields: ["module", "main"],
    plugins: [...plugins, slim(root), requiredBuiltins],
    // Native: the image and one machine have them installed.
    external: ["@vscode/ripgrep"],
  });
  return outputFiles;
}

/** The CDK app in one file, which starts three times as fast as its sources; the libraries stay outside. */
async function buildStack(root: string) {
  const { outputFiles = [] } = await build({
    ...common,
    absWorkingDir: root,
    entryPoints: [{ in: stackEntry, out: "infra/app" }],
    outdir: "dist",
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    packages: "external",
    minify: false,
  });
  return outputFiles;
}

function hashSources(root: string): string {
  const files = [...sourceDirectories.flatMap((directory) => filesBelow(root, directory)), ...otherSources];
  const hash = createHash("sha256");
  for (const file of files.filter((path) => existsSync(join(root, path))).sort()) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function filesBelow(root: string, directory: string): string[] {
  const entries = readdirSync(join(root, directory), { withFileTypes: true }).filter(
    (entry) => !notBundled.includes(entry.name),
  );
  return entries.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(root, path) : [path];
  });
}

/** The sizes of the bundles that are there, where they come from these sources and are all whole. */
function builtFrom(root: string, hash: string): BundleSizes | null {
  const files = [sizesFile, hashFile].map((file) => join(root, file));
  if (!files.every((file) => existsSync(file)) || readFileSync(join(root, hashFile), "utf8") !== hash) return null;
  const sizes = JSON.parse(readFileSync(join(root, sizesFile), "utf8")) as BundleSizes;
  const sizeOf = (name: string) => statSync(join(root, "dist", name), { throwIfNoEntry: false })?.size;
  const isWhole = Object.entries(sizes).every(([name, bytes]) => sizeOf(name) === bytes);
  return isWhole && imageFiles.every((file) => sizeOf(`sandbox/${basename(file)}`) !== undefined) ? sizes : null;
}

/** A reader, or a second build at the same time, never sees half a file. */
function writeWhole(path: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

/** The bundles over their goal, each with both figures. */
export function overLimit(sizes: BundleSizes): string[] {
  const bundles = Object.entries(sizes).filter(([name]) => !name.startsWith("infra/"));
  return bundles
    .map(([name, bytes]) => ({ name, bytes, limit: limitsBytes[name] ?? defaultLimitBytes }))
    .filter(({ bytes, limit }) => bytes > limit)
    .map(({ name, bytes, limit }) => `${name}: ${Math.ceil(bytes / KB)} KB, ${Math.floor(limit / KB)} KB wanted`);
}

async function main(): Promise<void> {
  const startedMs = Date.now();
  const sizes = await bundle({ force: process.argv.includes("--force") });
  for (const [name, bytes] of Object.entries(sizes))
    console.log(`${String(Math.ceil(bytes / KB)).padStart(6)} KB  dist/${name}`);
  console.log(`${Object.keys(sizes).length} bundles in ${Date.now() - startedMs} ms`);
  const over = overLimit(sizes);
  for (const line of over) console.error(`over its goal: ${line}`);
  if (over.length > 0 && process.argv.includes("--strict")) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
