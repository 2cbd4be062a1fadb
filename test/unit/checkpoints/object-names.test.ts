import { basesOf, readManifest } from "../../../shared/domain/checkpoint/manifest.ts";
import { epochOf, nameOf } from "../../../shared/domain/checkpoint/object-name.ts";
import { grantUpload } from "../../../shared/domain/container/upload.ts";
import { memoryObjects } from "../../support/fakes.ts";

const [base, other] = ["b".repeat(64), "c".repeat(64)];
const file = (path: string) => ({ path, mode: "100644", oid: "1".repeat(40), size: 1 });
const whole = JSON.stringify({ version: 1, commit: "x", tree: "x", files: [file("a")] });
const delta = JSON.stringify({ version: 2, commit: "y", tree: "y", base, files: [file("b")], removed: [] });

test("a name tells the epoch, and one of an older version none", () => {
  expect(epochOf(`tenants/t/sessions/s/packs/${nameOf(12, base)}`)).toBe(12);
  for (const name of [base, "p1", `x-${base}`, `1-${base}x`, `1-${base.slice(1)}`])
    expect([name, epochOf(`tenants/1-t/sessions/2-s/packs/${name}`)]).toEqual([name, null]);
});

test("what makes checkpoints is put under its container's name; a tool's output is not", async () => {
  const link = { key: { tenant_id: "t", session_id: "s" }, epoch: 7, connectionId: "c" };
  const named = async (purpose: "pack" | "manifest" | "blob" | "tool_output") =>
    (await grantUpload(memoryObjects(), link, { purpose, length: 1, sha256: base })).key;
  expect(await named("pack")).toBe(`tenants/t/sessions/s/packs/7-${base}`);
  expect(await named("manifest")).toBe(`tenants/t/sessions/s/manifests/7-${base}`);
  expect(await named("blob")).toBe(`tenants/t/sessions/s/blobs/7-${base}`);
  expect(await named("tool_output")).toBe(`tenants/t/sessions/s/outputs/${base}`);
});

test.each([
  ["of one container", `m/3-${base}`, `m/3-${other}`],
  ["of a container whose platform was renewed between the two", `m/${base}`, `m/3-${other}`],
  ["of an older version", `m/${base}`, `m/${other}`],
])("a delta and its base %s", async (_, baseKey, key) => {
  const objects = memoryObjects();
  await objects.put(baseKey, whole, "x");
  await objects.put(key, delta, "x");
  expect((await readManifest(objects, key))?.files.map(({ path }) => path)).toEqual(["a", "b"]);
  expect(await basesOf(objects, key)).toContain(baseKey);
  expect(await basesOf(objects, baseKey)).toEqual([]);
  expect(await basesOf(objects, "m/none")).toEqual([]);
  await objects.put("m/odd", "{ no manifest", "x");
  expect(await basesOf(objects, "m/odd")).toEqual([]);
});
