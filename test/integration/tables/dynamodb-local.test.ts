import { dynamoDbLocalIsMissing, startDynamoDbLocal } from "../../support/tables-dynamodb-local.ts";
import { tablesContract } from "./contract.ts";

const reason = dynamoDbLocalIsMissing();

if (reason === null) {
  describe("AWS's DynamoDB Local", () => tablesContract(startDynamoDbLocal));
} else {
  describe(`skipped: AWS's DynamoDB Local, since ${reason}`, () => {
    test("says so", () => {
      process.stderr.write(`\nSKIPPED: the tables contract was not held to AWS's DynamoDB Local: ${reason}\n`);
    });
  });
}
