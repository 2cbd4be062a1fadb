import { Model, type EntitySchema, type Row } from "./model.ts";
import { Get, Query } from "./read.ts";
import { Check, Delete, Put, Update, Upsert, type Config } from "./write.ts";

/** What the engine asks of an entity. Another verb is not there: the schedule that needs it fails. */
export class Entity {
  readonly model: Model;
  readonly config: Config;
  readonly query: Readonly<Record<string, (facets: Row) => Query>>;

  constructor(schema: EntitySchema, config: Config) {
    this.model = new Model(schema);
    this.config = config;
    const patterns = [...this.model.byPattern];
    this.query = Object.fromEntries(
      patterns.map(([pattern, index]) => [pattern, (facets: Row) => new Query(this.model, config, index, facets)]),
    );
  }

  get(key: Row): Get {
    return new Get(this.model, this.config, key);
  }

  create(row: Row): Put {
    return new Put(this.model, this.config, row, true);
  }

  put(row: Row): Put {
    return new Put(this.model, this.config, row, false);
  }

  patch(key: Row): Update {
    return new Update(this.model, this.config, key, true);
  }

  update(key: Row): Update {
    return new Update(this.model, this.config, key, false);
  }

  upsert(row: Row): Upsert {
    return new Upsert(this.model, this.config, row);
  }

  delete(key: Row): Delete {
    return new Delete(this.model, this.config, key, false);
  }

  remove(key: Row): Delete {
    return new Delete(this.model, this.config, key, true);
  }

  check(key: Row): Check {
    return new Check(this.model, this.config, key, false);
  }
}
