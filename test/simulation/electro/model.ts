import { attributeOf, type Attribute, type AttributeSchema } from "./attributes.ts";

export type Row = Record<string, unknown>;

interface KeySchema {
  field: string;
  composite: readonly string[];
}

interface IndexSchema {
  index?: string;
  collection?: string;
  /** Whether a row is in it; as far as the engine uses it, none that is written now. */
  condition?: () => boolean;
  pk: KeySchema;
  sk: KeySchema;
}

export interface EntitySchema {
  model: { entity: string; version: string; service: string };
  attributes: Readonly<Record<string, AttributeSchema>>;
  indexes: Readonly<Record<string, IndexSchema>>;
}

/** One part of a key: what it begins with, and what follows. */
interface Key {
  field: string;
  prefix: string;
  parts: { name: string; label: string; format: (value: unknown) => string }[];
  /** What a clustered index ends with. */
  suffix: string;
}

export interface Index {
  name: string | null;
  collection: string | null;
  /** Read, and left by every row that is written. */
  isRetired: boolean;
  pk: Key;
  sk: Key;
}

/** A key of all of its parts. */
export function wholeKey({ prefix, parts, suffix }: Key, row: Row): string {
  let key = prefix;
  for (const { name, label, format } of parts) {
    const value = row[name];
    if (value === undefined) throw new Error(`Incomplete or invalid key composite attributes: "${name}" is missing`);
    key += label + format(value);
  }
  return key + suffix;
}

/** What all keys begin with that have these parts. `isWhole`: there is only one. */
export function beginOf({ prefix, parts, suffix }: Key, row: Row): { key: string; isWhole: boolean } {
  let key = prefix;
  for (const { name, label, format } of parts) {
    const value = row[name];
    if (value === undefined) return { key: key + label, isWhole: false };
    key += label + format(value);
  }
  return { key: key + suffix, isWhole: true };
}

function has({ parts }: Key, row: Row): "all" | "some" | "none" {
  let found = 0;
  for (const { name } of parts) if (row[name] !== undefined) found += 1;
  return found === parts.length ? "all" : found === 0 ? "none" : "some";
}

const touches = ({ parts }: Key, row: Row) => parts.some(({ name }) => row[name] !== undefined);

/** An entity's schema, ready to make keys and to check rows. */
export class Model {
  readonly entity: string;
  readonly version: string;
  readonly attributes = new Map<string, Attribute>();
  readonly primary: Index;
  readonly secondary: Index[];
  readonly byPattern = new Map<string, Index>();
  /** The attributes by themselves, as a condition's callback is given them. */
  readonly references: Readonly<Record<string, string>>;

  constructor({ model, attributes, indexes }: EntitySchema) {
    this.entity = model.entity;
    this.version = model.version;
    for (const [name, schema] of Object.entries(attributes)) this.attributes.set(name, attributeOf(name, schema));
    for (const [pattern, schema] of Object.entries(indexes)) this.byPattern.set(pattern, this.indexOf(schema, model));
    const all = [...this.byPattern.values()];
    this.primary = all.find(({ name }) => name === null) as Index;
    this.secondary = all.filter(({ name }) => name !== null);
    this.references = Object.fromEntries([...this.attributes.keys()].map((name) => [name, name]));
  }

  attribute(name: string): Attribute {
    const found = this.attributes.get(name);
    if (!found) throw new Error(`Attribute "${name}" does not exist on model ${this.entity}`);
    return found;
  }

  /** The attributes that the primary key is made of. */
  keyOf(row: Row): Row {
    const { pk, sk } = this.primary;
    const key: Row = {};
    for (const { name } of pk.parts) key[name] = row[name];
    for (const { name } of sk.parts) key[name] = row[name];
    return key;
  }

  primaryKey(row: Row): Row {
    const { pk, sk } = this.primary;
    return { [pk.field]: wholeKey(pk, row), [sk.field]: wholeKey(sk, row) };
  }

  /** Of a new row: an index that it has no attributes for does not have it. */
  indexKeys(row: Row): Row {
    const keys: Row = {};
    for (const { pk, sk, isRetired } of this.secondary) {
      if (isRetired) continue;
      const found = [has(pk, row), has(sk, row)];
      if (found.includes("none") && !(found[0] === "all" && sk.parts.length === 0)) continue;
      if (found.includes("some")) throw new Error(`Incomplete composite attributes of ${this.entity} for ${pk.field}`);
      keys[pk.field] = wholeKey(pk, row);
      keys[sk.field] = wholeKey(sk, row);
    }
    return keys;
  }

  /** Those parts of index keys that change with `change`, in the row of this key. */
  changedKeys(key: Row, change: Row): Row {
    const keys: Row = {};
    const known = { ...change, ...key };
    for (const { pk, sk, isRetired } of this.secondary) {
      if (isRetired) continue;
      if (touches(pk, change)) {
        keys[pk.field] = wholeKey(pk, known);
        if (sk.parts.length === 0) keys[sk.field] = sk.prefix;
      }
      if (touches(sk, change)) keys[sk.field] = wholeKey(sk, known);
    }
    return keys;
  }

  /** Those of indexes that a row leaves with `change`. */
  leftKeys(change: Row): string[] {
    return this.secondary
      .filter(({ pk, sk, isRetired }) => isRetired && (touches(pk, change) || touches(sk, change)))
      .flatMap(({ pk, sk }) => [pk.field, sk.field]);
  }

  /** Those that a row loses with these attributes. */
  lostKeys(removed: readonly string[]): string[] {
    const lost: string[] = [];
    const loses = ({ parts }: Key) => parts.some(({ name }) => removed.includes(name));
    for (const { pk, sk } of this.secondary) {
      if (loses(pk)) lost.push(pk.field);
      if (loses(sk)) lost.push(sk.field);
    }
    return lost;
  }

  owns(item: Row | undefined): item is Row {
    return item !== undefined && item["__edb_e__"] === this.entity && item["__edb_v__"] === this.version;
  }

  read(item: Row, only?: readonly string[]): Row {
    const row: Row = {};
    for (const name in item) {
      const attribute = this.attributes.get(name);
      const value = item[name];
      if (attribute && value !== undefined && (!only || only.includes(name))) row[name] = attribute.read(value);
    }
    return row;
  }

  private indexOf({ index, collection, condition, pk, sk }: IndexSchema, model: EntitySchema["model"]): Index {
    const own = `$${model.entity}_${model.version}`;
    const ends =
      collection === undefined ? { prefix: own, suffix: "" } : { prefix: `$${collection}`, suffix: `#${own.slice(1)}` };
    return {
      name: index ?? null,
      collection: collection ?? null,
      isRetired: condition?.() === false,
      pk: { field: pk.field, prefix: `$${model.service}`, parts: this.partsOf(pk), suffix: "" },
      sk: { field: sk.field, parts: this.partsOf(sk), ...ends },
    };
  }

  private partsOf({ composite }: KeySchema): Key["parts"] {
    return composite.map((name) => ({ name, label: `#${name}_`, format: this.attribute(name).format }));
  }
}
