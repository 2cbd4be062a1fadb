import { GetCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { ask, type Client, type Sent } from "./client.ts";
import { beginOf, type Index, type Model, type Row } from "./model.ts";
import type { Config } from "./write.ts";

export interface GetOptions {
  consistent?: boolean;
  attributes?: readonly string[];
}

export interface QueryOptions extends GetOptions {
  cursor?: string | null;
  limit?: number | undefined;
  order?: "asc" | "desc";
  pages?: "all" | number;
}

const own = ["__edb_e__", "__edb_v__"];

/** A request for some attributes only. */
function projection(model: Model, attributes: readonly string[]): Row {
  const { pk, sk } = model.primary;
  const all = [...new Set([pk.field, sk.field, ...attributes, ...own])];
  return {
    ExpressionAttributeNames: Object.fromEntries(all.map((name) => [`#${name}`, name])),
    ProjectionExpression: all.map((name) => `#${name}`).join(", "),
  };
}

export class Get {
  constructor(
    private readonly model: Model,
    private readonly config: Config,
    private readonly key: Row,
  ) {}

  params({ consistent, attributes }: GetOptions = {}): Row {
    const request: Row = { Key: this.model.primaryKey(this.key), TableName: this.config.table };
    if (consistent) request["ConsistentRead"] = true;
    return attributes ? { ...request, ...projection(this.model, attributes) } : request;
  }

  async go(options: GetOptions = {}): Promise<{ data: Row | null }> {
    const command = new GetCommand(this.params(options) as never) as unknown as Sent;
    const item = (await ask(this.config.client, command))["Item"] as Row | undefined;
    return { data: this.model.owns(item) ? this.model.read(item, options.attributes) : null };
  }
}

interface Page {
  items: Row[];
  cursor: string | null;
}

async function readPages(client: Client, params: Row, { cursor, pages = 1 }: QueryOptions): Promise<Page> {
  const items: Row[] = [];
  let start = cursor ? (JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as Row) : undefined;
  let read = 0;
  do {
    const input = start ? { ExclusiveStartKey: start, ...params } : params;
    const page = await ask(client, new QueryCommand(input as never) as unknown as Sent);
    items.push(...(page["Items"] as Row[]));
    start = page["LastEvaluatedKey"] as Row | undefined;
    read += 1;
  } while (start && (pages === "all" || read < pages));
  return { items, cursor: start ? Buffer.from(JSON.stringify(start)).toString("base64url") : null };
}

/** The part of an index that a query reads. */
class Range {
  private text = "";
  private readonly values: Row = {};
  private readonly names: Row;
  private readonly index: Index;
  private readonly facets: Row;

  constructor(index: Index, facets: Row) {
    const { pk, sk } = index;
    this.index = index;
    this.facets = facets;
    this.names = { "#pk": pk.field, "#sk1": sk.field };
    this.values[":pk"] = beginOf(pk, facets).key;
    const { key, isWhole } = this.at({});
    this.values[":sk1"] = key;
    this.text = isWhole ? "#sk1 = :sk1" : "begins_with(#sk1, :sk1)";
  }

  between(from: Row, to: Row): void {
    this.values[":sk1"] = this.whole(from);
    this.values[":sk2"] = this.whole(to);
    this.text = "#sk1 BETWEEN :sk1 AND :sk2";
  }

  lte(to: Row): void {
    this.values[":sk1"] = this.whole(to);
    this.text = "#sk1 <= :sk1";
  }

  params(table: string, { consistent, limit, order }: QueryOptions): Row {
    const request: Row = {
      KeyConditionExpression: `#pk = :pk and ${this.text}`,
      TableName: table,
      ExpressionAttributeNames: this.names,
      ExpressionAttributeValues: this.values,
    };
    if (this.index.name !== null) request["IndexName"] = this.index.name;
    if (order !== undefined) request["ScanIndexForward"] = order === "asc";
    if (consistent) request["ConsistentRead"] = true;
    if (limit !== undefined) request["Limit"] = limit;
    return request;
  }

  private at(more: Row) {
    return beginOf({ ...this.index.sk, suffix: "" }, { ...this.facets, ...more });
  }

  private whole(more: Row): string {
    const { key, isWhole } = this.at(more);
    if (!isWhole) throw new Error("a part of a sort key as a bound is not simulated");
    return key;
  }
}

/** `query.<index>(facets)`, of one entity. */
export class Query {
  private readonly range: Range;

  constructor(
    private readonly model: Model,
    private readonly config: Config,
    index: Index,
    facets: Row,
  ) {
    if (index.collection !== null) throw new Error("one entity of a collection by itself is not simulated");
    this.range = new Range(index, facets);
  }

  between(from: Row, to: Row): this {
    this.range.between(from, to);
    return this;
  }

  lte(to: Row): this {
    this.range.lte(to);
    return this;
  }

  params(options: QueryOptions = {}): Row {
    if (options.attributes) throw new Error("a query for some attributes is not simulated");
    return this.range.params(this.config.table, options);
  }

  async go(options: QueryOptions = {}): Promise<{ data: Row[]; cursor: string | null }> {
    const { items, cursor } = await readPages(this.config.client, this.params(options), options);
    const { model } = this;
    return { data: items.filter((item) => model.owns(item)).map((item) => model.read(item)), cursor };
  }
}

/** `collections.<name>(facets)`: rows of several entities in one order. */
export class Collection {
  private readonly range: Range;

  constructor(
    private readonly members: readonly [alias: string, model: Model][],
    private readonly config: Config,
    index: Index,
    facets: Row,
  ) {
    this.range = new Range(index, facets);
  }

  between(from: Row, to: Row): this {
    this.range.between(from, to);
    return this;
  }

  params(options: QueryOptions = {}): Row {
    const request = this.range.params(this.config.table, options);
    const names = { ...(request["ExpressionAttributeNames"] as Row), "#__edb_e__": own[0], "#__edb_v__": own[1] };
    const values = { ...(request["ExpressionAttributeValues"] as Row) };
    const tests = this.members.map(([alias, { entity, version }]) => {
      values[`:__edb_e___${alias}_c0`] = entity;
      values[`:__edb_v___${alias}_c0`] = version;
      return `(#__edb_e__ = :__edb_e___${alias}_c0 AND #__edb_v__ = :__edb_v___${alias}_c0)`;
    });
    const FilterExpression = `(${tests.join(" OR ")})`;
    return { ...request, ExpressionAttributeNames: names, ExpressionAttributeValues: values, FilterExpression };
  }

  async go(options: QueryOptions = {}): Promise<{ data: Record<string, Row[]>; cursor: string | null }> {
    const { items, cursor } = await readPages(this.config.client, this.params(options), options);
    const data: Record<string, Row[]> = {};
    for (const [alias] of this.members) data[alias] = [];
    for (const item of items) {
      const [alias = "", model] = this.members.find(([, one]) => one.owns(item)) ?? [];
      if (model) data[alias]?.push(model.read(item));
    }
    return { data, cursor };
  }
}
