import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { startTablesServer } from "../../../infra/local/tables/server.ts";
import { tablesContract } from "./contract.ts";

describe("the embedded tables", () => {
  tablesContract(async () => {
    const server = await startTablesServer({ tables: [] });
    const client = new DynamoDBClient({
      endpoint: server.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
    });
    return {
      client,
      async stop() {
        client.destroy();
        await server.stop();
      },
    };
  });
});
