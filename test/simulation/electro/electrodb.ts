import { TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { RefusedError, type Sent } from "./client.ts";
import { Entity } from "./entity.ts";
import type { EntitySchema, Index, Model, Row } from "./model.ts";
import { Collection } from "./read.ts";
import type { Action } from "./write.ts";

/**
 * Stands in for ElectroDB in the simulator's bundle: it was more than half of what a schedule costs. It makes the
 * requests that ElectroDB makes, and reads the answers as it does, for as much of it as the engine uses;
 * `test/simulation/electro/contract.test.ts` holds it to the real one, request by request, over whole schedules.
 */
export { Entity };

export const createSchema = (schema: EntitySchema): EntitySchema => schema;

type Entities = Record<string, Entity>;

interface Reason {
  Code?: string;
  Message?: string;
  Item?: Parameters<typeof unmarshall>[0];
}

/** How one action of a transaction ended. */
interface Outcome {
  rejected: boolean;
  code: string;
  message: string | undefined;
  item: Row | null;
}

const carriedOut = (): Outcome => ({ rejected: false, code: "None", message: undefined, item: null });

class Transaction {
  constructor(
    private readonly entities: Entities,
    private readonly actions: readonly Action[],
  ) {}

  params(): Row {
    return { TransactItems: this.actions };
  }

  async go(): Promise<{ canceled: boolean; data: Outcome[] }> {
    const [driver] = Object.values(this.entities);
    if (!driver || this.actions.length === 0) return { canceled: false, data: [] };
    try {
      await driver.config.client.send(new TransactWriteCommand(this.params() as never) as unknown as Sent);
      return { canceled: false, data: this.actions.map(carriedOut) };
    } catch (error) {
      const { name, CancellationReasons } = error as Error & { CancellationReasons?: Reason[] };
      if (name !== "TransactionCanceledException" || !CancellationReasons) throw new RefusedError(error as Error);
      return { canceled: true, data: CancellationReasons.map((reason) => this.outcomeOf(reason)) };
    }
  }

  private outcomeOf({ Code = "None", Message, Item }: Reason): Outcome {
    const item = Item ? (unmarshall(Item) as Row) : undefined;
    const owner = Object.values(this.entities).find(({ model }) => model.owns(item));
    return {
      rejected: Code !== "None",
      code: Code,
      message: Message,
      item: item && owner ? owner.model.read(item) : null,
    };
  }
}

export class Service {
  readonly entities: Entities;
  readonly collections: Readonly<Record<string, (facets: Row) => Collection>>;
  readonly transaction: { write: (build: (entities: Entities) => Action[]) => Transaction };

  constructor(entities: Entities) {
    this.entities = entities;
    this.collections = collectionsOf(entities);
    this.transaction = { write: (build) => new Transaction(entities, build(entities)) };
  }
}

function collectionsOf(entities: Entities): Service["collections"] {
  const found = new Map<string, { index: Index; members: [string, Model][] }>();
  for (const [alias, { model }] of Object.entries(entities)) {
    for (const index of model.byPattern.values()) {
      if (index.collection === null) continue;
      const known = found.get(index.collection) ?? { index, members: [] };
      known.members.push([alias, model]);
      found.set(index.collection, known);
    }
  }
  const { config } = Object.values(entities)[0] as Entity;
  return Object.fromEntries(
    [...found].map(([name, { index, members }]) => [
      name,
      (facets: Row) => new Collection(members, config, index, facets),
    ]),
  );
}
