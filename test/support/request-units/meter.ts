import type { ConsumedCapacity, DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** Request units as AWS bills them: reads of 4 KB (half where they may be stale), writes of 1 KB, indexes included. */
export interface Units {
  reads: number;
  writes: number;
  /** Requests to the table. */
  requests: number;
}

export const noUnits: Readonly<Units> = { reads: 0, writes: 0, requests: 0 };

const readingCommands = new Set(["GetItemCommand", "BatchGetItemCommand", "QueryCommand", "TransactGetItemsCommand"]);

function unitsIn(output: unknown): number {
  const { ConsumedCapacity: consumed = [] } = output as { ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[] };
  return [consumed].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
}

/** Counts what a client's requests cost. Figures of writes that failed are not told, here as on AWS. */
export function meterOf(client: DynamoDBClient) {
  let spent: Units = { ...noUnits };
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const input = { ...args.input, ReturnConsumedCapacity: "INDEXES" as const };
      const answer = await next({ ...args, input });
      const units = unitsIn(answer.output);
      const isRead = readingCommands.has(String(context.commandName));
      spent = {
        reads: spent.reads + (isRead ? units : 0),
        writes: spent.writes + (isRead ? 0 : units),
        requests: spent.requests + 1,
      };
      return answer;
    },
    { step: "initialize", name: "requestUnits" },
  );
  return {
    /** What `run` costs, with all that it starts and awaits. */
    async of(run: () => Promise<unknown>): Promise<Units> {
      const before = spent;
      await run();
      const { reads, writes, requests } = spent;
      return { reads: reads - before.reads, writes: writes - before.writes, requests: requests - before.requests };
    },
  };
}

export type Meter = ReturnType<typeof meterOf>;
