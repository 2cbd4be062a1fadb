import { build } from "esbuild";

/** Every page load waits for `connect`, and its cold start reads and compiles all that it imports (ADR 0010). */
it("connect has room for neither zod nor ElectroDB", async () => {
  const { metafile } = await build({
    entryPoints: ["functions/websocket/connect.ts"],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const used = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const names = used.map(([path]) => path);
  expect(names).toContain("shared/adapters/connection-door.ts");
  expect(names.filter((path) => /node_modules\/(zod|electrodb)\//.test(path))).toEqual([]);
});
