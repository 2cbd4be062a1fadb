import { GetItemCommand, PutItemCommand, type AttributeValue, type DynamoDBClient } from "@aws-sdk/client-dynamodb";

export type Row = Record<string, AttributeValue>;

/** The table under contract. The tests share it, each under partition keys of its own. */
export interface Subject {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}

export function keyOf(pk: string, sk = "0"): Row {
  return { pk: { S: pk }, sk: { S: sk } };
}

export async function put(subject: Subject, item: Row): Promise<void> {
  await subject.client.send(new PutItemCommand({ TableName: subject.tableName, Item: item }));
}

export async function read(subject: Subject, key: Row): Promise<Row | undefined> {
  const command = new GetItemCommand({ TableName: subject.tableName, Key: key, ConsistentRead: true });
  return (await subject.client.send(command)).Item;
}

/** The error of a request that must fail: its name, its message and the fields that DynamoDB adds. */
export async function failureOf(request: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await request;
  } catch (error) {
    if (error instanceof Error) return error as Error & Record<string, unknown>;
    throw error;
  }
  throw new Error("The request did not fail");
}
