import * as z from "zod";

export type Json = Record<string, unknown>;

/** What a client may send, and what it may get: defaults and transforms make the two differ. */
export type View = "input" | "output";

export interface SchemaBook {
  /** The schema, with everything that has a name left to `components`. */
  convert(schema: z.ZodType, view: View): Json;
  /** The same, its own outer shape included although it has a name. */
  inline(schema: z.ZodType, view: View): Json;
  components: Record<string, Json>;
}

const definitionsOf = { "draft-2020-12": "$defs", "draft-7": "definitions" } as const;
export type Dialect = keyof typeof definitionsOf;

const componentsPath = "#/components/schemas/";
/** Zod names what is recursive and has no name of its own like this. */
const nameless = /^__schema\d+$/;
const componentOf = (name: string) => (nameless.test(name) ? "JsonValue" : name);

/** Drops what tells a reader nothing, and, of answers, that they may not grow. */
function tidy(schema: Json, view: View): void {
  const { format, minimum, maximum, propertyNames } = schema;
  if (format === "date-time" || format === "email") delete schema["pattern"];
  if (minimum === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (maximum === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
  if (JSON.stringify(propertyNames) === '{"type":"string"}') delete schema["propertyNames"];
  if (view === "output" && schema["additionalProperties"] === false) delete schema["additionalProperties"];
}

/** Points references at the components. */
function relocate(value: unknown, from: string): unknown {
  if (Array.isArray(value)) return value.map((item) => relocate(item, from));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => {
    const isReference = name === "$ref" && typeof inner === "string" && inner.startsWith(from);
    return [
      name,
      isReference ? componentsPath + componentOf(inner.slice(from.length)) : relocate(inner, from),
    ] as const;
  });
  return Object.fromEntries(entries);
}

interface Translated {
  root: Json;
  found: Record<string, Json>;
}

/** A book of schemas in one dialect. `named` ones become components. */
export function schemaBook(dialect: Dialect, named: z.core.$ZodRegistry<{ id: string }>): SchemaBook {
  const components: Record<string, Json> = {};
  const definitions = definitionsOf[dialect];
  const from = `#/${definitions}/`;

  function translate(schema: z.ZodType, view: View): Translated {
    const translated: Json = z.toJSONSchema(schema, {
      target: dialect,
      io: view,
      metadata: named as never,
      override: ({ jsonSchema }) => tidy(jsonSchema as Json, view),
    });
    const { $schema: _dialect, [definitions]: found = {}, ...root } = translated;
    return { root, found: found as Record<string, Json> };
  }

  function addAll(found: Record<string, Json>): void {
    for (const [name, schema] of Object.entries(found)) {
      const component = componentOf(name);
      const added = relocate(schema, from) as Json;
      const known = components[component];
      if (known && JSON.stringify(known) !== JSON.stringify(added)) {
        throw new Error(`${component} is not the same wherever it is used: it needs two names`);
      }
      components[component] = added;
    }
  }

  return {
    components,
    convert(schema, view) {
      const { root, found } = translate(schema, view);
      addAll(found);
      return relocate(root, from) as Json;
    },
    inline(schema, view) {
      const { root, found } = translate(schema, view);
      const name = typeof root["$ref"] === "string" ? root["$ref"].slice(from.length) : "";
      const { [name]: own = root, ...others } = found;
      addAll(others);
      return relocate(own, from) as Json;
    },
  };
}
