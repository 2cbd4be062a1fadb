import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { platformTable, startTablesServer } from "../../infra/local/tables/server.ts";

export interface TestTable {
  client: DynamoDBClient;
  tableName: string;
  /** `http://127.0.0.1:<port>` */
  endpoint: string;
  stop(): Promise<void>;
}

/** The platform's table, empty and in memory, behind a real DynamoDB client. Any credentials are accepted. */
export async function startTestTable(): Promise<TestTable> {
  const tableName = "sandbox";
  const server = await startTablesServer({ tables: [platformTable(tableName)] });
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  return {
    client,
    tableName,
    endpoint: server.endpoint,
    async stop() {
      client.destroy();
      await server.stop();
    },
  };
}
