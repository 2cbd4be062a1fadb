import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** What the sandbox gets from this machine beside /usr. */
export interface Programs {
  node: string;
  /** The folder of the npm package; null where this machine has none that can be read. */
  npm: string | null;
  ripgrep: string | null;
  /** What the bundles leave outside, since it is native code: name and folder of each package, dependencies included. */
  packages: { name: string; folder: string }[];
}

const nativePackages = ["@vscode/ripgrep"];

/** `nodeModules`: where the platform's own packages are. A packaged Node is preferred: the tools need 22 or newer. */
export function findPrograms(nodeModules: string): Programs {
  const packaged = (name: string, program: string) => {
    const path = join(nodeModules, name, "bin", program);
    return existsSync(path) ? realpathSync(path) : null;
  };
  return {
    node: packaged(`node-linux-${process.arch}`, "node") ?? process.execPath,
    npm: findNpm(),
    ripgrep: packaged(`@vscode/ripgrep-linux-${process.arch}`, "rg"),
    packages: withDependencies(nativePackages, nodeModules),
  };
}

/** The packages and all that they depend on, as far as it is installed flat. */
function withDependencies(names: string[], nodeModules: string): Programs["packages"] {
  const found = new Map<string, string>();
  const visit = (name: string) => {
    const folder = join(nodeModules, name);
    if (found.has(name) || !existsSync(join(folder, "package.json"))) return;
    found.set(name, realpathSync(folder));
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
    for (const needed of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) visit(needed);
  };
  for (const name of names) visit(name);
  return [...found].map(([name, folder]) => ({ name, folder }));
}

interface Manifest {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function findNpm(): string | null {
  const besideNode = join(dirname(realpathSync(process.execPath)), "..", "lib", "node_modules", "npm");
  return [besideNode, "/usr/share/nodejs/npm"].find((folder) => existsSync(join(folder, "bin", "npm-cli.js"))) ?? null;
}
