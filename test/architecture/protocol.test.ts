import { build } from "esbuild";
import { createContext, runInContext } from "node:vm";
import { root, sourcesIn } from "./support/sources.ts";

const files = sourcesIn("shared/protocol").map((source) => source.path);

async function bundle() {
  const contents = files.map((file, index) => `export * as m${index} from "./${file}";`).join("\n");
  return build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "iife",
    globalName: "protocol",
    logLevel: "silent",
  });
}

describe("the protocol", () => {
  it("imports nothing but zod and itself", async () => {
    const { metafile } = await bundle();
    const inputs = Object.keys(metafile.inputs).filter((input) => input !== "<stdin>");
    expect(inputs.length).toBeGreaterThan(files.length);
    expect(inputs.filter((input) => !/^(shared\/protocol|node_modules\/zod)\//.test(input))).toEqual([]);
  });

  it("loads and parses where there is no Node: a console imports it in a browser", async () => {
    const { outputFiles } = await bundle();
    const browser = createContext({ URL, TextEncoder, TextDecoder });
    runInContext(outputFiles[0]!.text, browser);
    const found = runInContext(
      `({
        node: typeof process + typeof Buffer + typeof require,
        modules: Object.keys(protocol).length,
        parsed: Object.values(protocol).find((m) => m.ClientFrame).ClientFrame.safeParse({ type: "ping", request_id: "r1" }).success,
      })`,
      browser,
    ) as unknown;
    expect(found).toEqual({ node: "undefinedundefinedundefined", modules: files.length, parsed: true });
  });
});
