import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { AwsService, Running } from "../contract.ts";
import { createTable, deleteTable, describeTable, ensureTable, listTables, type TableDefinition } from "./catalogue.ts";
import { actions, type Fields } from "./dynalite.ts";
import { failureBody, malformedBody, unknownOperation } from "./failure.ts";
import { authorise } from "./permissions.ts";
import { runItemAction, type ItemAction } from "./requests.ts";
import { TableStore, type TableClock } from "./table-store.ts";
import { describeTimeToLive, sweepExpired, updateTimeToLive } from "./time-to-live.ts";
import { transactGetItems, transactWriteItems } from "./transactions.ts";
import { sweepTokens } from "./transaction-tokens.ts";

const defaultSweepMs = 10_000;

export interface TablesOptions {
  /** Directory of the LevelDB files, or null to keep everything in memory. */
  path: string | null;
  tables: TableDefinition[];
  clock: TableClock;
  /** How often expired items are deleted, in milliseconds; 0 never (tests call `sweep`). */
  sweepEveryMs?: number;
}

export interface Tables extends Running {
  service: AwsService;
  /** Deletes expired items now. Answers how many. */
  sweep(): Promise<number>;
}

/** DynamoDB on this machine: `DynamoDB_20120810` JSON over HTTP, held to AWS's DynamoDB Local by one contract suite. */
export async function createTables(options: TablesOptions): Promise<Tables> {
  const { path, tables, clock, sweepEveryMs = defaultSweepMs } = options;
  const store = await TableStore.open(path);
  for (const definition of tables) await ensureTable(store, clock, definition);
  const sweep = async () => {
    await sweepTokens(store, clock);
    return sweepExpired(store, clock);
  };
  const timer =
    sweepEveryMs > 0 ? setInterval(() => void sweep().catch(reportSweepFailure), sweepEveryMs).unref() : undefined;
  let closed: Promise<void> | undefined;
  return {
    service: serve(store, clock),
    sweep,
    stop() {
      clearInterval(timer);
      closed ??= store.close();
      return closed;
    },
  };
}

function serve(store: TableStore, clock: TableClock): AwsService {
  return async (request, response, body, caller) => {
    try {
      const operation = operationOf(request.headers["x-amz-target"]);
      const input = parse(body);
      authorise(caller, operation, input);
      send(response, 200, await run(store, clock, operation, input));
    } catch (error) {
      const failure = failureBody(error);
      if (failure === null) process.stderr.write(`tables: ${error instanceof Error ? error.stack : String(error)}\n`);
      send(response, failure?.statusCode ?? 500, failure?.body ?? internalError);
    }
  };
}

const internalError = {
  __type: "com.amazonaws.dynamodb.v20120810#InternalServerError",
  message: "Internal server error",
};

const otherOperations: Record<
  string,
  (store: TableStore, clock: TableClock, input: Fields) => Promise<Fields> | Fields
> = {
  TransactWriteItems: transactWriteItems,
  TransactGetItems: (store, _clock, input) => transactGetItems(store, input),
  CreateTable: createTable,
  DeleteTable: (store, _clock, input) => deleteTable(store, input),
  DescribeTable: (store, _clock, input) => describeTable(store, input),
  ListTables: (store, _clock, input) => listTables(store, input),
  UpdateTimeToLive: (store, _clock, input) => updateTimeToLive(store, input),
  DescribeTimeToLive: (store, _clock, input) => describeTimeToLive(store, input),
};

async function run(store: TableStore, clock: TableClock, operation: string, input: Fields): Promise<Fields> {
  if (isItemAction(operation)) return runItemAction(store, operation, input);
  const other = otherOperations[operation];
  if (other === undefined) throw unknownOperation();
  return other(store, clock, input);
}

function isItemAction(operation: string): operation is ItemAction {
  return Object.hasOwn(actions, operation);
}

function operationOf(target: string | string[] | undefined): string {
  const [version, operation] = String(target).split(".");
  if (version !== "DynamoDB_20120810" || operation === undefined) throw unknownOperation();
  if (!isItemAction(operation) && !Object.hasOwn(otherOperations, operation)) throw unknownOperation();
  return operation;
}

function parse(body: Buffer): Fields {
  try {
    const input: unknown = JSON.parse(body.toString("utf8"));
    if (typeof input === "object" && input !== null && !Array.isArray(input)) return input as Fields;
  } catch {
    // Answered below, like any body that is not an object.
  }
  throw malformedBody();
}

function send(response: ServerResponse, statusCode: number, answer: Fields): void {
  const body = Buffer.from(JSON.stringify(answer), "utf8");
  response.writeHead(statusCode, {
    "content-type": "application/x-amz-json-1.0",
    "content-length": body.length,
    "x-amzn-requestid": randomUUID(),
  });
  response.end(body);
}

function reportSweepFailure(error: unknown): void {
  process.stderr.write(`tables: the sweep of expired items failed: ${String(error)}\n`);
}
