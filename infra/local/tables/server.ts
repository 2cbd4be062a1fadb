import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { indexAttributes, tableKeys } from "../../../shared/data/table.ts";
import type { Caller, Running } from "../contract.ts";
import type { TableDefinition } from "./catalogue.ts";
import type { TableClock } from "./table-store.ts";
import { createTables } from "./tables.ts";

export interface TablesServer extends Running {
  /** `http://127.0.0.1:<port>` */
  endpoint: string;
  sweep(): Promise<number>;
}

interface TablesServerOptions {
  tables: TableDefinition[];
  path?: string | null;
  clock?: TableClock;
  /** Milliseconds; by default expired items are only swept on demand. */
  sweepEveryMs?: number;
  caller?: Caller;
}

const systemClock: TableClock = { now: () => Date.now() };
const everything: Caller = { roleId: "test", allows: () => true };

/** The tables alone on a free port of the loopback, without signatures: for tests. */
export async function startTablesServer(options: TablesServerOptions): Promise<TablesServer> {
  const { tables: definitions, path = null, clock = systemClock, sweepEveryMs = 0, caller = everything } = options;
  const tables = await createTables({ path, tables: definitions, clock, sweepEveryMs });
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => tables.service(request, response, body, caller),
      () => response.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    sweep: tables.sweep,
    async stop() {
      if (server.listening) {
        server.close();
        server.closeAllConnections();
      }
      await tables.stop();
    },
  };
}

/** The platform's one table, with the key and index names of `shared/data/table.ts`. */
export function platformTable(tableName: string): TableDefinition {
  const indexes = Object.entries(tableKeys.indexes);
  const attributes = [tableKeys, ...Object.values(tableKeys.indexes)].flatMap((keys) => [
    keys.partitionKey,
    keys.sortKey,
  ]);
  return {
    TableName: tableName,
    AttributeDefinitions: attributes.map((name) => ({ AttributeName: name, AttributeType: "S" })),
    KeySchema: keySchema(tableKeys),
    GlobalSecondaryIndexes: indexes.map(([name, keys]) => ({
      IndexName: name,
      KeySchema: keySchema(keys),
      Projection: projectionOf(indexAttributes[name]),
    })),
    TimeToLiveSpecification: { AttributeName: tableKeys.timeToLive, Enabled: true },
  };
}

type IndexDefinition = NonNullable<TableDefinition["GlobalSecondaryIndexes"]>[number];

function projectionOf(held: readonly string[] | undefined): IndexDefinition["Projection"] {
  return held ? { ProjectionType: "INCLUDE", NonKeyAttributes: [...held] } : { ProjectionType: "ALL" };
}

function keySchema(keys: { partitionKey: string; sortKey: string }): TableDefinition["KeySchema"] {
  return [
    { AttributeName: keys.partitionKey, KeyType: "HASH" },
    { AttributeName: keys.sortKey, KeyType: "RANGE" },
  ];
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
