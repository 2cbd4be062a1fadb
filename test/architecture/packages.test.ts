import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./support/sources.ts";

/** Licences that an Apache-2.0 project may use as they are: no copyleft, no source-available. */
const allowed = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC-BY-4.0",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Python-2.0",
  "Unlicense",
  "Zlib",
]);

interface Manifest {
  name: string;
  version: string;
  license?: string | { type: string };
  licenses?: { type: string }[];
}

function manifestsIn(directory: string): Manifest[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((name) => {
    if (name.startsWith(".")) return [];
    const folder = join(directory, name);
    if (name.startsWith("@")) return manifestsIn(folder);
    const file = join(folder, "package.json");
    if (!existsSync(file)) return [];
    return [JSON.parse(readFileSync(file, "utf8")) as Manifest, ...manifestsIn(join(folder, "node_modules"))];
  });
}

function licenceOf({ license, licenses }: Manifest): string {
  const stated = license ?? licenses?.[0] ?? "none";
  return typeof stated === "string" ? stated : stated.type;
}

/** An SPDX expression of AND and OR, without nesting (none of ours nests). */
function isAllowed(expression: string): boolean {
  const flat = expression.replaceAll(/[()]/g, "");
  return flat.split(" OR ").some((choice) => choice.split(" AND ").every((one) => allowed.has(one.trim())));
}

describe("dependencies", () => {
  it("carry licences that Apache-2.0 may use", () => {
    const manifests = manifestsIn(join(root, "node_modules"));
    expect(manifests.length).toBeGreaterThan(300);
    const refused = manifests.filter((manifest) => !isAllowed(licenceOf(manifest)));
    expect(refused.map((manifest) => `${manifest.name} ${manifest.version}: ${licenceOf(manifest)}`)).toEqual([]);
  });

  it("is a check that refuses copyleft and source-available licences", () => {
    expect(
      ["AGPL-3.0", "GPL-3.0-or-later", "BUSL-1.1", "SSPL-1.0", "MIT AND GPL-2.0", "none"].filter(isAllowed),
    ).toEqual([]);
    expect(isAllowed("(MIT OR GPL-3.0-or-later)")).toBe(true);
  });
});

describe("the lock file", () => {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean; inBundle?: boolean }>;
  };

  it("holds no download address, so that any registry may serve it", () => {
    const addressed = Object.entries(lock.packages).filter(([, entry]) => /^[a-z+]+:\/\//.test(entry.resolved ?? ""));
    expect(addressed.map(([path]) => path)).toEqual([]);
  });

  it("pins every package by its hash", () => {
    const unpinned = Object.entries(lock.packages).filter(
      ([path, e]) => path !== "" && !e.integrity && !e.link && !e.inBundle,
    );
    expect(unpinned.map(([path]) => path)).toEqual([]);
  });
});

describe("package.json", () => {
  it("pins every dependency exactly: one wrong latest broke the CDK command line", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    const ranges = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    expect(Object.entries(ranges).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
  });
});
