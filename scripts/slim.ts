import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Plugin } from "esbuild";

/** What ElectroDB takes of the document client. */
const documentCommands = [
  "BatchGetCommand",
  "BatchWriteCommand",
  "DeleteCommand",
  "GetCommand",
  "PutCommand",
  "QueryCommand",
  "ScanCommand",
  "TransactGetCommand",
  "TransactWriteCommand",
  "UpdateCommand",
];

/**
 * ElectroDB checks models as it loads them. Ours are constants, which the tests load with the real package. It also asks
 * whether a thing is a model at all: an entity or a service is none.
 */
const noModelValidation = `
  exports.Validator = class { addSchema() {} validate(thing) { return { errors: thing?._instance ? [{ stack: "no model" }] : [] }; } };
  exports.Validator.prototype.customFormats = {};
`;

/** ElectroDB makes them, `shared/adapters/aws/table-client.ts` reads them: the SDK's own drag its client along. */
const bareCommands = documentCommands
  .map((name) => `export class ${name} { constructor(input) { this.input = input; } }`)
  .join("\n");

/** ElectroDB requires the document client: it finds an empty object there, which this module in front of it fills. */
const electroDbWithImports = (electroDb: string) => `
  import { lib, util } from "slim:sdk-of-electrodb";
  import { unmarshall } from "@aws-sdk/util-dynamodb";
  import * as commands from "@aws-sdk/lib-dynamodb";
  Object.assign(lib, commands);
  Object.assign(util, { unmarshall });
  export * from ${JSON.stringify(electroDb)};
`;
const emptySdk = "exports.lib = {}; exports.util = {};";

/** Smaller stand-ins for parts of packages that no function of ours reaches. */
export function slim(root: string): Plugin {
  return {
    name: "slim",
    setup(build) {
      const locate = async (name: string) =>
        (await build.resolve(name, { kind: "import-statement", resolveDir: root, pluginData: real })).path;

      // Lambda gives credentials by the environment: no profile, no SSO, no instance metadata.
      const credentials = resolve(root, "functions/live/env-credentials.ts");
      build.onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({ path: credentials }));
      build.onResolve(
        { filter: /^(jsonschema|electrodb|@aws-sdk\/lib-dynamodb|slim:sdk-of-electrodb)$/ },
        ({ path, pluginData }) => (pluginData === real ? undefined : { path, namespace: "slim" }),
      );
      build.onLoad({ filter: /^jsonschema$/, namespace: "slim" }, () => ({ contents: noModelValidation }));
      build.onLoad({ filter: /^slim:sdk-of-electrodb$/, namespace: "slim" }, () => ({ contents: emptySdk }));
      build.onLoad({ filter: /^@aws-sdk\/lib-dynamodb$/, namespace: "slim" }, () => ({ contents: bareCommands }));
      build.onLoad({ filter: /^electrodb$/, namespace: "slim" }, async () => ({
        contents: electroDbWithImports(await locate("electrodb")),
        resolveDir: dirname(await locate("@aws-sdk/lib-dynamodb")),
      }));
      build.onLoad({ filter: /[\\/]electrodb[\\/]src[\\/]client\.js$/ }, async ({ path }) => ({
        contents: (await readFile(path, "utf8"))
          .replace('require("@aws-sdk/lib-dynamodb")', 'require("slim:sdk-of-electrodb").lib')
          .replace('require("@aws-sdk/util-dynamodb")', 'require("slim:sdk-of-electrodb").util'),
      }));
      build.onLoad({ filter: /[\\/]client-[\w-]+[\\/]dist-es[\\/]schemas[\\/]schemas_0\.js$/ }, async ({ path }) => ({
        contents: withPlainKeys(await readFile(path, "utf8")),
      }));
    },
  };
}

const real = Symbol("the package itself");

/**
 * Writes `[_h]: x` as `"http": x`, with `const _h = "http"` in the same file. For the bundler a computed key may have an
 * effect, so it would keep the shapes of all of a service's operations.
 */
function withPlainKeys(source: string): string {
  const constants = new Map(
    [...source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, text]) => [name, text]),
  );
  return source.replace(/\[(_\w+)\]:/g, (whole, name: string) =>
    constants.has(name) ? `${constants.get(name)}:` : whole,
  );
}
