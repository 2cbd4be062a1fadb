import { linesMatching, sourcesIn } from "./support/sources.ts";
import { ErrorCode } from "../../shared/protocol/error-code.ts";

const product = sourcesIn("shared", "functions", "containers");
const everything = [...product, ...sourcesIn("infra", "scripts", "test")];

describe("product code", () => {
  it("does not know that it may run on one machine", () => {
    expect(linesMatching(product, /["'`]local["'`]|\bis_?local|AWS_ENDPOINT_URL|127\.0\.0\.1:41\d\d/i)).toEqual([]);
  });

  it("does not branch on the stage", () => {
    expect(linesMatching(product, /\bSTAGE\b\s*(===|!==|==|!=)|(===|!==)\s*["'`](dev|prod)["'`]/)).toEqual([]);
  });

  it("reads environment values only where it is put together", () => {
    const roots = /^(functions\/live\/[^/]+|containers\/sandbox\/src\/[^/]+\/main)\.ts$/;
    const others = product.filter((source) => !roots.test(source.path));
    expect(linesMatching(others, /\bprocess\.env\b|from "(node:)?process"/)).toEqual([]);
  });

  it("takes time and chance from ports only", () => {
    const rules = product.filter((source) => source.path.startsWith("shared/domain/"));
    expect(linesMatching(rules, /\bDate\.now\(|new Date\(\)|Math\.random\(|randomUUID\(|randomBytes\(/)).toEqual([]);
  });

  it("never writes a bare put or update: create inserts, patch changes", () => {
    const stores = product.filter((source) => /^shared\/(domain|data)\//.test(source.path));
    expect(linesMatching(stores, /\bentities?\.\w+\.(put|update)\(|\b\w+Entity\.(put|update)\(/)).toEqual([]);
  });
});

describe("every file", () => {
  it("imports zod as a namespace: the named form bundles 443 KB instead of 87 KB", () => {
    expect(linesMatching(everything, /^import (?!\* as z\b)(?!type\b).* from "zod(\/v4)?";/)).toEqual([]);
  });

  it("re-exports nothing wholesale", () => {
    expect(linesMatching(everything, /^export \* /)).toEqual([]);
  });

  it("names no absolute path of one person's machine", () => {
    expect(linesMatching(everything, /["'`]\/(home\/(?!user\b)|Users\/|root\/|work\/)/)).toEqual([]);
  });
});

describe("error codes", () => {
  const users = product.filter((source) => !/^shared\/(errors|protocol\/error-code)\.ts$/.test(source.path));

  it.each(ErrorCode.options)("%s is used", (code) => {
    expect(users.some((source) => source.text.includes(`"${code}"`))).toBe(true);
  });
});
