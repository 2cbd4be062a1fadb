import { DeleteCommand, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { ask, type Client, type Sent } from "./client.ts";
import { namesIn, operatorsOf, tokenOf, type Where } from "./conditions.ts";
import type { Model, Row } from "./model.ts";

export interface Config {
  client: Client;
  table: string;
}

export interface WriteOptions {
  response?: "all_old" | "all_new" | "none" | "default";
}

/** As one action of a transaction. */
export type Action = Record<string, Row>;

const shown = (response: WriteOptions["response"]) => (response ?? "default") !== "default" && response !== "none";

/** One write: alone, or for a transaction. */
export abstract class Write {
  protected readonly values: Row = {};
  protected condition: string;
  private wheres = 0;
  private operators: ReturnType<typeof operatorsOf> | null = null;

  constructor(
    protected readonly model: Model,
    protected readonly config: Config,
    condition: string,
  ) {
    this.condition = condition;
  }

  where(where: Where): this {
    this.operators ??= operatorsOf(this.values);
    const text = where(this.model.references, this.operators);
    const before = this.wheres > 0 ? `(${this.condition})` : this.condition;
    this.condition = before === "" ? text : `${before} AND ${text}`;
    this.wheres += 1;
    return this;
  }

  /** As it is sent. */
  params({ response }: WriteOptions = {}): Row {
    const request = this.request();
    if (shown(response)) request["ReturnValues"] = String(response).toUpperCase();
    return request;
  }

  commit({ response }: WriteOptions = {}): Action {
    const request = this.request();
    if (shown(response)) request["ReturnValuesOnConditionCheckFailure"] = String(response).toUpperCase();
    return { [this.action]: request };
  }

  async go(options: WriteOptions = {}): Promise<{ data: Row | null }> {
    const answer = await ask(this.config.client, this.command(this.params(options)));
    return { data: this.answer(answer["Attributes"] as Row | undefined) };
  }

  protected abstract readonly action: "Put" | "Update" | "Delete" | "ConditionCheck";
  protected abstract request(): Row;
  protected abstract command(params: Row): Sent;

  protected answer(attributes: Row | undefined): Row | null {
    return attributes ? this.model.read(attributes) : {};
  }

  /** Names and values only where there are any: an empty set of them is refused. */
  protected common(text: string): Row {
    const { condition, values } = this;
    const request: Row = { TableName: this.config.table };
    if (condition !== "") request["ConditionExpression"] = condition;
    const names = namesIn(text, condition);
    if (names) request["ExpressionAttributeNames"] = names;
    if (text !== "" || condition.includes(":")) request["ExpressionAttributeValues"] = values;
    return request;
  }
}

const isNew = "attribute_not_exists(#pk) AND attribute_not_exists(#sk)";
const isThere = "attribute_exists(#pk) AND attribute_exists(#sk)";

/** `create` refuses what is there; `put` replaces it. */
export class Put extends Write {
  protected readonly action = "Put";
  private readonly row: Row = {};

  constructor(model: Model, config: Config, given: Row, creates: boolean) {
    super(model, config, creates ? isNew : "");
    for (const [name, { required, write }] of model.attributes) {
      const value = given[name];
      if (value !== undefined) this.row[name] = write(value, name);
      else if (required) throw new Error(`Invalid value type at entity path: "${name}". Value is required.`);
    }
  }

  protected request(): Row {
    const { model, row } = this;
    const keys = { ...model.primaryKey(row), ...model.indexKeys(row) };
    return { Item: { ...row, ...keys, __edb_e__: model.entity, __edb_v__: model.version }, ...this.common("") };
  }

  protected command(params: Row): Sent {
    return new PutCommand(params as never) as unknown as Sent;
  }

  protected override answer(): Row {
    return this.model.read(this.row);
  }
}

abstract class OfKey extends Write {
  protected readonly key: Row;
  protected readonly stored: Row;

  constructor(model: Model, config: Config, given: Row, exists: boolean) {
    super(model, config, exists ? isThere : "");
    this.key = model.keyOf(given);
    this.stored = model.primaryKey(given);
  }
}

export class Delete extends OfKey {
  protected readonly action = "Delete";

  protected request(): Row {
    return { Key: this.stored, ...this.common("") };
  }

  protected command(params: Row): Sent {
    return new DeleteCommand(params as never) as unknown as Sent;
  }
}

export class Check extends OfKey {
  protected readonly action = "ConditionCheck";

  protected request(): Row {
    return { Key: this.stored, ...this.common("") };
  }

  protected command(): Sent {
    throw new Error("a check is a part of a transaction");
  }
}

/** What all changes of a row share. */
abstract class Change extends OfKey {
  protected readonly action = "Update";
  /** What is set, and what is added to it. */
  protected readonly changes: Row = {};
  protected readonly additions: Row = {};

  set(given: Row): this {
    for (const name in given) {
      const attribute = this.model.attributes.get(name);
      const value = given[name];
      if (!attribute || value === undefined) continue;
      if (attribute.readOnly) throw new Error(`Attribute "${name}" is Read-Only and cannot be updated`);
      this.changes[name] = attribute.write(value, name);
    }
    return this;
  }

  add(given: Row): this {
    for (const name in given) {
      const attribute = this.model.attribute(name);
      if (attribute.readOnly) throw new Error(`Attribute "${name}" is Read-Only and cannot be updated`);
      if (given[name] !== undefined) this.additions[name] = attribute.write(given[name], name);
    }
    return this;
  }

  protected command(params: Row): Sent {
    return new UpdateCommand(params as never) as unknown as Sent;
  }

  protected setting(rows: readonly Row[]): string {
    let text = "";
    for (const row of rows) {
      for (const name in row) {
        const { changed, set } = tokenOf(name);
        this.values[changed] = row[name];
        text += text === "" ? `SET ${set}` : `, ${set}`;
      }
    }
    return text;
  }

  protected adding(): string {
    let text = "";
    for (const name in this.additions) {
      const { reference, changed } = tokenOf(name);
      this.values[changed] = this.additions[name];
      text += `${text === "" ? " ADD " : ", "}${reference} ${changed}`;
    }
    return text;
  }

  protected updating(UpdateExpression: string): Row {
    return { UpdateExpression, Key: this.stored, ...this.common(UpdateExpression) };
  }

  protected get identity(): Row {
    return { __edb_e__: this.model.entity, __edb_v__: this.model.version };
  }

  protected override answer(attributes: Row | undefined): Row | null {
    return attributes ? this.model.read(attributes) : this.key;
  }
}

/** Of a row that is there (`patch`), or may be (`update`). */
export class Update extends Change {
  private readonly removed: string[] = [];

  remove(names: readonly string[]): this {
    for (const name of names) {
      const { readOnly } = this.model.attribute(name);
      if (readOnly) throw new Error(`Attribute "${name}" is Read-Only and cannot be removed`);
      this.removed.push(name);
    }
    return this;
  }

  protected request(): Row {
    const { model, key, changes, additions, removed } = this;
    const sets = this.setting([changes, model.changedKeys(key, { ...changes, ...additions }), key, this.identity]);
    const lost = [...removed, ...model.leftKeys({ ...changes, ...additions }), ...model.lostKeys(removed)];
    const removing = lost.map((name) => tokenOf(name).reference).join(", ");
    const removes = removing === "" ? "" : ` REMOVE ${removing}`;
    return this.updating(`${sets}${removes}${this.adding()}`);
  }
}

/** Of a row that is made where it is not there. */
export class Upsert extends Change {
  private readonly given: Row = {};

  constructor(model: Model, config: Config, given: Row) {
    super(model, config, given, false);
    for (const name in given) {
      const attribute = model.attributes.get(name);
      if (attribute && given[name] !== undefined) this.given[name] = attribute.write(given[name], name);
    }
  }

  protected request(): Row {
    const { model, given, changes } = this;
    const row = { ...given, ...changes };
    const sets = this.setting([this.identity, row, model.indexKeys(row)]);
    return this.updating(`${sets}${this.adding()}`);
  }
}
