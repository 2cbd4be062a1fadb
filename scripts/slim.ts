import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
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

/** What its models are checked against. */
const schemasOfModels = /const Attribute = \{.*v\.addSchema\(Modelv1, "\/Modelv1"\);/s;

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

/**
 * The errors of the SDK that our code, or the SDK's own retries, know by their class. All others come as the base class of
 * their service, with name, message and metadata.
 */
export const errorClasses = new Set([
  "ConflictException",
  "ReplicatedWriteConflictException",
  "ResourceExistsException",
  "ResourceNotFoundException",
  "TransactionCanceledException",
]);

/** Each schema of zod can say what it is as JSON schema. */
const unsaid = `() => { throw new Error("no JSON schemas in this bundle"); }`;
const noJsonSchema = {
  "json-schema-generator": `export const JSONSchemaGenerator = ${unsaid};`,
  "json-schema-processors": `export const toJSONSchema = ${unsaid};`,
  "to-json-schema": `
    const unsaid = ${unsaid};
    export const createStandardJSONSchemaMethod = () => unsaid;
    export const createToJSONSchemaMethod = () => unsaid;
  `,
};

/** For bundles that describe no schema. */
export const withoutJsonSchema: Plugin = {
  name: "without-json-schema",
  setup(build) {
    for (const [file, contents] of Object.entries(noJsonSchema)) {
      const filter = new RegExp(`[\\\\/]zod[\\\\/]v4[\\\\/]core[\\\\/]${file}\\.js$`);
      build.onLoad({ filter }, () => ({ contents }));
    }
  },
};

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
        contents: withPlainKeys(withoutErrors(await readFile(path, "utf8"))),
      }));
      build.onLoad({ filter: /[\\/]electrodb[\\/]src[\\/]validations\.js$/ }, async ({ path }) => ({
        contents: (await readFile(path, "utf8")).replace(schemasOfModels, "const Modelv1 = {}, ModelBeta = {};"),
      }));
      // For where Node has no such hash.
      build.onLoad({ filter: /[\\/]Sha(1|256)Js\.js$/ }, ({ path }) => ({
        contents: `export const ${basename(path, ".js")} = undefined;`,
      }));
      // Of their packages the clients say the version alone.
      build.onLoad({ filter: /[\\/]@aws-sdk[\\/]client-[\w-]+[\\/]package\.json$/ }, async ({ path }) => {
        const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
        return { contents: JSON.stringify({ version }), loader: "json" };
      });
    },
  };
}

const real = Symbol("the package itself");

/** The registry of a service's errors keeps each of its classes: some services have a hundred. */
function withoutErrors(source: string): string {
  return source.replace(/^n\d+_registry\.registerError\(\w+\$, (\w+)\);$/gm, (whole, name: string) =>
    errorClasses.has(name) ? whole : "",
  );
}

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
