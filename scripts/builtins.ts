import { createRequire } from "node:module";
import type { Plugin } from "esbuild";

const namespace = "builtin";
/** `tls` takes three megabytes of a process, of which one on one machine, where all is http, uses nothing. */
const loadedAtUse = new Set(["https", "tls"]);
const require = createRequire(import.meta.url);

/**
 * Takes these of Node's modules by `require`: an `import` reads all that a module exports, and `node:http` exports names
 * whose reading loads undici.
 */
export const requiredBuiltins: Plugin = {
  name: "required-builtins",
  setup(build) {
    build.onResolve({ filter: /^(node:)?(http|https|tls)$/ }, ({ path, kind, namespace: from }) => {
      if (kind === "dynamic-import") return undefined;
      return from === namespace ? { path, external: true } : { path: path.replace(/^node:/, ""), namespace };
    });
    build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: loadedAtUse.has(path) ? atUse(path) : `module.exports = ${requireOf(path)};`,
    }));
  },
};

const requireOf = (name: string) => `require(${JSON.stringify(`node:${name}`)})`;

/** Each name that it exports, as a property that loads it when it is read. */
function atUse(name: string): string {
  const names = Object.keys(require(`node:${name}`) as object);
  return `for (const name of ${JSON.stringify(names)})
    Object.defineProperty(exports, name, { enumerable: true, get: () => ${requireOf(name)}[name] });`;
}
