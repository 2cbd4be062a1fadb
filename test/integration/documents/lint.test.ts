import { createRequire } from "node:module";
import { Ajv, type AnySchema } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { Validator } from "@seriousme/openapi-schema-validator";
import { asyncApi } from "../../support/asyncapi.ts";
import { checking, objections, resolved, type Json } from "../../support/json-schema.ts";
import { documentedOperations, openApi } from "../../support/openapi.ts";

const require = createRequire(import.meta.url);

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
}

const dangling = (document: Json) =>
  references(document).filter((reference) => resolved(document, { $ref: reference }) === undefined);

function unused(document: Json, ...groups: string[]): string[] {
  const used = new Set(references(document));
  const components = document["components"] as Record<string, Json>;
  const all = groups.flatMap((group) =>
    Object.keys(components[group] ?? {}).map((name) => `#/components/${group}/${name}`),
  );
  return all.filter((reference) => !used.has(reference));
}

describe("/openapi.json", () => {
  it("is OpenAPI 3.1", async () => {
    expect(await new Validator().validate(structuredClone(openApi()))).toEqual({ valid: true });
  });

  it("is refused by that check where it is not", async () => {
    const broken = structuredClone(openApi()) as { paths: Record<string, Record<string, Json>> };
    delete broken.paths["/health"]?.["get"]?.["responses"];
    broken.paths["/health"]!["get"]!["parameters"] = [{ name: "x" }];
    expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
  });

  it("has schemas that JSON Schema 2020-12 takes, without unknown words or formats", () => {
    const ajv = new Ajv2020(checking);
    formats.default(ajv);
    ajv.addVocabulary(Object.keys(openApi()));
    ajv.addSchema(openApi() as AnySchema, "document", undefined, false);
    const { components } = openApi() as { components: { schemas: Json } };
    const names = Object.keys(components.schemas);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(ajv.getSchema(`document#/components/schemas/${name}`)).toBeDefined();
  });

  it("names every operation once, in camel case, and describes it in a line", () => {
    const ids = documentedOperations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !/^[a-z][a-zA-Z0-9]+$/.test(id))).toEqual([]);
    const summaries = documentedOperations().map(({ operation }) => operation.summary);
    expect(summaries.filter((summary) => summary.length > 80 || !/^[A-Z].*[^.]$/.test(summary))).toEqual([]);
  });

  it("describes every parameter of its paths, and no other", () => {
    for (const { path, operation } of documentedOperations()) {
      const inPath = (operation.parameters ?? []).flatMap((one) =>
        "name" in one && one.in === "path" ? [one.name] : [],
      );
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  it("says everywhere who may, what can go wrong, and under which tag", () => {
    const { tags } = openApi() as { tags: { name: string }[] };
    for (const { method, operation } of documentedOperations()) {
      expect(tags.map(({ name }) => name)).toEqual(expect.arrayContaining(operation.tags));
      expect(operation.security.length === 0).toBe(operation["x-permission"] === "public");
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["429", "500", "503"]));
      const takesKey = (operation.parameters ?? []).some(
        (one) => "$ref" in one && one.$ref.endsWith("/IdempotencyKey"),
      );
      expect(takesKey).toBe(method === "POST");
    }
  });

  it("has no component that nothing uses, and no reference to nothing", () => {
    expect(unused(openApi(), "schemas", "responses", "parameters", "headers")).toEqual([]);
    expect(dangling(openApi())).toEqual([]);
  });
});

describe("/asyncapi.json", () => {
  const specification = () => {
    // Its own copy of draft 7 is part of the schema.
    const ajv = new Ajv({ strict: false, meta: false, allErrors: true, validateSchema: false });
    formats.default(ajv);
    return ajv.compile(require("@asyncapi/specs/schemas/3.0.0.json") as AnySchema);
  };

  it("is AsyncAPI 3.0", () => {
    expect(objections(specification(), asyncApi())).toEqual([]);
  });

  it("is refused by that check where it is not", () => {
    const broken = structuredClone(asyncApi()) as { channels: Record<string, Json>; operations: Record<string, Json> };
    broken.operations["ping"]!["action"] = "publish";
    expect(objections(specification(), broken)).not.toEqual([]);
  });

  it("has payloads that JSON Schema draft 7 takes, without unknown words or formats", () => {
    const ajv = new Ajv(checking);
    formats.default(ajv);
    ajv.addVocabulary(Object.keys(asyncApi()));
    ajv.addSchema(asyncApi() as AnySchema, "document", undefined, false);
    const { components } = asyncApi() as { components: { messages: Json } };
    for (const name of Object.keys(components.messages)) {
      expect(ajv.getSchema(`document#/components/messages/${encodeURIComponent(name)}/payload`)).toBeDefined();
    }
  });

  it("has no component that nothing uses, and no reference to nothing", () => {
    expect(unused(asyncApi(), "schemas", "messages")).toEqual([]);
    expect(dangling(asyncApi())).toEqual([]);
  });
});
