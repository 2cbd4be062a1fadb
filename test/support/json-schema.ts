import type { Ajv, AnySchema, ValidateFunction } from "ajv";
import formats from "ajv-formats";

export type Json = Record<string, unknown>;

/**
 * What is published says nothing about fields that may come later. What is sent today must be in it, to the last field: so
 * objects that leave it open are closed here.
 */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, closed(item)]));
  const isOpen = inner["type"] === "object" && "properties" in inner && !("additionalProperties" in inner);
  return isOpen ? { ...inner, additionalProperties: false } : inner;
}

export const once = <T>(make: () => T) => {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
};

/** JSON Schema validators over a document's own parts, by JSON pointer. */
export function validators(document: () => Json, make: () => Ajv) {
  const known = new Map<string, ValidateFunction>();
  const ajv = once(() => {
    const built = make();
    formats.default(built);
    built.addVocabulary(Object.keys(document()));
    built.addSchema(closed(document()) as AnySchema, "document", undefined, false);
    return built;
  });
  return (...path: string[]): ValidateFunction => {
    const pointer = path.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
    const found = known.get(pointer) ?? ajv().getSchema(`document#/${pointer}`);
    if (!found) throw new Error(`the document has no ${path.join("/")}`);
    known.set(pointer, found);
    return found;
  };
}

// What is sent is checked as it is: nothing is coerced, no default filled in.
export const checking = { allErrors: true, strict: true, strictTypes: false, strictRequired: false } as const;

/** What a validator holds against a value. */
export function objections(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message = "", params }) => {
    return `${instancePath || "/"} ${message} ${JSON.stringify(params)}`;
  });
}

/** The part of a document that a reference names, or the value itself. */
export function resolved(document: Json, value: unknown): Json {
  const { $ref } = value as { $ref?: string };
  if ($ref === undefined) return value as Json;
  const parts = $ref.slice(2).split("/");
  return parts.reduce(
    (at: unknown, part) => (at as Json)[part.replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  ) as Json;
}
