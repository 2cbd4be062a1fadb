import { CreateTableCommand, waitUntilTableExists, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { platformTable } from "../../../infra/local/tables/server.ts";
import { capacityContract } from "./contract-capacity.ts";
import { conditionContract } from "./contract-conditions.ts";
import { electroContract } from "./contract-electro.ts";
import { functionsClientContract } from "./contract-functions-client.ts";
import { itemContract } from "./contract-items.ts";
import { queryContract } from "./contract-queries.ts";
import { timeToLiveContract } from "./contract-time-to-live.ts";
import { transactionContract } from "./contract-transactions.ts";
import { updateContract } from "./contract-updates.ts";
import type { Subject } from "./subject.ts";

/** A DynamoDB without tables. */
export interface Endpoint {
  client: DynamoDBClient;
  stop(): Promise<void>;
}

/** What the platform relies on in DynamoDB: run against our tables and against AWS's DynamoDB Local. */
export function tablesContract(open: () => Promise<Endpoint>): void {
  let endpoint: Endpoint | undefined;
  const subject: Subject = {
    tableName: "contract",
    get client() {
      if (endpoint === undefined) throw new Error("The endpoint is not open yet");
      return endpoint.client;
    },
  };

  beforeAll(async () => {
    endpoint = await open();
    const { TimeToLiveSpecification: _later, ...definition } = platformTable(subject.tableName);
    await endpoint.client.send(new CreateTableCommand({ ...definition, BillingMode: "PAY_PER_REQUEST" }));
    await waitUntilTableExists(
      { client: endpoint.client, maxWaitTime: 20, minDelay: 1 },
      { TableName: subject.tableName },
    );
  }, 120_000);

  afterAll(async () => {
    await endpoint?.stop();
  });

  describe("items", () => itemContract(subject));
  describe("conditions", () => conditionContract(subject));
  describe("updates", () => updateContract(subject));
  describe("queries", () => queryContract(subject));
  describe("transactions", () => transactionContract(subject));
  describe("request units", () => capacityContract(subject));
  describe("time to live", () => timeToLiveContract(subject));
  describe("ElectroDB", () => electroContract(subject));
  describe("the functions' own client", () => functionsClientContract(subject));
}
