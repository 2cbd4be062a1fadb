// design.md section 3 as rules. `npm run check` runs them; test/architecture proves that they catch what they name.
// Imports of types count like any other. Cycles are oxlint's import/no-cycle, which can tell types apart.

const sdk = "(^|/)node_modules/(@aws-sdk|@anthropic-ai/sdk)/";
const product = "^(shared|functions|containers)/";
const tests = "^test/";

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "protocol-imports-only-zod",
      comment: "The protocol must load in a browser.",
      severity: "error",
      from: { path: "^shared/protocol/" },
      to: { pathNot: ["^shared/protocol/", "(^|/)node_modules/zod/"] },
    },
    {
      name: "domain-is-inward",
      comment: "Rules know ports, never who implements them, who calls them or how they are configured.",
      severity: "error",
      from: { path: "^shared/domain/" },
      to: { path: "^(shared/(adapters|config|agent)|functions|infra|containers|scripts|test)/" },
    },
    {
      name: "entities-are-private",
      comment:
        "Verbs return domain types; only the folder itself and the service of all entities see ElectroDB objects.",
      severity: "error",
      from: { path: "^(.+)/[^/]+$", pathNot: ["^shared/data/service\\.ts$", tests] },
      to: { path: "\\.entity\\.ts$", pathNot: "^$1/" },
    },
    {
      name: "ports-are-shapes",
      severity: "error",
      from: { path: "^shared/ports/" },
      to: { pathNot: ["^shared/ports/", "^shared/protocol/", "^shared/errors\\.ts$"] },
    },
    {
      name: "adapters-know-no-verbs",
      comment: "An adapter implements a port: its types come from there.",
      severity: "error",
      from: { path: "^shared/adapters/" },
      to: { path: "^(shared/domain|functions|infra|containers|scripts|test)/" },
    },
    {
      name: "agent-knows-no-edge",
      severity: "error",
      from: { path: "^shared/agent/" },
      to: { path: "^(shared/(adapters|config|data)|functions|infra|containers|scripts|test)/" },
    },
    {
      name: "shared-is-the-bottom",
      severity: "error",
      from: { path: "^shared/" },
      to: { path: "^(functions|infra|containers|scripts|test)/" },
    },
    {
      name: "functions-get-adapters-from-live",
      comment: "Only a composition root chooses an implementation.",
      severity: "error",
      from: { path: "^functions/", pathNot: "^functions/live/" },
      to: { path: "^shared/adapters/" },
    },
    {
      name: "functions-and-containers-are-strangers",
      severity: "error",
      from: { path: "^(functions|containers)/" },
      to: { path: "^(functions|containers)/", pathNot: "^$1/" },
    },
    {
      name: "kit-serves-every-edge",
      comment: "The wrappers know no single process.",
      severity: "error",
      from: { path: "^functions/kit/" },
      to: { path: "^functions/", pathNot: "^functions/kit/" },
    },
    {
      name: "sdk-clients-stay-outside",
      comment: "An SDK is known to its adapter and to the composition root that builds the client.",
      severity: "error",
      from: {
        path: product,
        pathNot: ["^shared/adapters/", "^shared/data/", "^functions/live/", "^containers/sandbox/src/toolbox/"],
      },
      to: { path: sdk },
    },
    {
      name: "infra-sees-names-only",
      comment: "Physical names, environment schemas and protocol constants: never behaviour.",
      severity: "error",
      from: { path: "^infra/", pathNot: "^infra/local/" },
      to: {
        path: "^(shared|functions|containers|scripts|test|infra/local)/",
        pathNot: ["^shared/data/table\\.ts$", "^shared/config/", "^shared/protocol/"],
      },
    },
    {
      name: "one-machine-runs-the-template-not-the-code",
      comment: "The local run reads the synthesized template and runs bundles; it never imports a handler or a verb.",
      severity: "error",
      from: { path: "^infra/local/" },
      to: {
        path: "^(functions|containers|shared/(domain|adapters|agent)|test)/",
        pathNot: "^shared/adapters/(random-ids|system-clock)\\.ts$",
      },
    },
    {
      name: "product-knows-no-infra",
      severity: "error",
      from: { path: product },
      to: { path: "^(infra|scripts|test)/" },
    },
    {
      name: "product-needs-no-dev-dependency",
      severity: "error",
      from: { path: "^(shared|functions|containers|infra)/" },
      to: { dependencyTypes: ["npm-dev"], pathNot: "(^|/)node_modules/(@types|cdk-nag)/" },
    },
    {
      name: "no-orphans",
      comment: "A module that nothing imports is dead, unless a process starts there.",
      severity: "error",
      from: {
        orphan: true,
        path: product,
        pathNot: [
          "^containers/sandbox/src/[^/]+/main\\.ts$",
          // Put in the place of an SDK module by scripts/bundle.ts.
          "^functions/live/env-credentials\\.ts$",
        ],
      },
      to: {},
    },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|cdk\\.out|coverage|\\.local)/" },
    parser: "swc",
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json", ".d.ts"],
    },
  },
};
