// Packages that ship ES modules only: Jest on Node 20 needs them transformed.
const esModulesOnly = ["jose", "hono", "@hono", "fauxqs", "@vscode/ripgrep", "@seriousme"];

const base = {
  testEnvironment: "node",
  transform: {
    "^.+\\.[mc]?[tj]s$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esModulesOnly.join("|")})/)`],
  // Build products hold copies of packages and of whole repositories.
  modulePathIgnorePatterns: ["<rootDir>/(dist|cdk\\.out|\\.local|coverage)/"],
};

const kinds = ["unit", "integration", "infra", "security", "architecture", "simulation", "e2e"];

export default {
  testTimeout: 30_000,
  // By default Jest leaves one core idle, which on two cores is half of the time.
  maxWorkers: "100%",
  projects: kinds.map((kind) => ({
    ...base,
    displayName: kind,
    testMatch: [`<rootDir>/test/${kind}/**/*.test.ts`],
  })),
};
