/** An attribute as the product's schemas declare it: none of them has a default, a getter or a setter. */
export interface AttributeSchema {
  type: string | readonly string[];
  required?: boolean;
  readOnly?: boolean;
  padding?: { length: number; char: string };
  properties?: Readonly<Record<string, AttributeSchema>>;
  items?: AttributeSchema | string;
}

/** Takes a value over, one level of copies down; throws where it is of another type. */
type Take = (value: unknown, path: string) => unknown;

export interface Attribute {
  name: string;
  required: boolean;
  readOnly: boolean;
  /** As a part of a key. */
  format: (value: unknown) => string;
  write: Take;
  read: (value: unknown) => unknown;
}

function wrong(path: string, value: unknown, wanted: string): Error {
  return new Error(`Invalid value type at entity path: "${path}". "${typeof value}" instead of ${wanted}`);
}

function scalar(type: string): Take {
  return (value, path) => {
    if (typeof value !== type) throw wrong(path, value, type);
    return value;
  };
}

function oneOf(values: readonly string[]): Take {
  return (value, path) => {
    if (!values.includes(value as string)) throw wrong(path, value, values.join());
    return value;
  };
}

function mapOf(properties: Readonly<Record<string, AttributeSchema>>): Take {
  const takes = Object.entries(properties).map(([name, schema]) => ({ name, schema, take: takeOf(schema) }));
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(path, value, "map");
    const taken: Record<string, unknown> = {};
    for (const { name, schema, take } of takes) {
      const part = (value as Record<string, unknown>)[name];
      if (part !== undefined) taken[name] = take(part, `${path}.${name}`);
      else if (schema.required) throw wrong(`${path}.${name}`, part, "a value");
    }
    return taken;
  };
}

function listOf(items: AttributeSchema): Take {
  const take = takeOf(items);
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(path, value, "list");
    return value.map((one) => take(one, `${path}[*]`));
  };
}

function setOf(value: unknown, path: string): Set<unknown> {
  if (!Array.isArray(value) && !(value instanceof Set)) throw wrong(path, value, "set");
  return new Set(value);
}

function takeOf({ type, properties, items }: AttributeSchema): Take {
  if (typeof type !== "string") return oneOf(type);
  if (type === "string" || type === "number" || type === "boolean") return scalar(type);
  if (type === "map") return mapOf(properties ?? {});
  if (type === "list" && typeof items === "object") return listOf(items);
  if (type === "set") return setOf;
  throw new Error(`attributes of the type ${type} are not simulated`);
}

function readOf(schema: AttributeSchema): (value: unknown) => unknown {
  if (schema.type === "set") return (value) => [...(value as Set<unknown>)];
  if (schema.type !== "map" && schema.type !== "list") return (value) => value;
  const take = takeOf(schema);
  return (value) => take(value, "stored");
}

export function attributeOf(name: string, schema: AttributeSchema): Attribute {
  const { padding, required = false, readOnly = false } = schema;
  const format = padding ? (value: unknown) => String(value).padStart(padding.length, padding.char) : String;
  return { name, required, readOnly, format, write: takeOf(schema), read: readOf(schema) };
}
