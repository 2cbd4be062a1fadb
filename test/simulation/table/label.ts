import type { Item } from "./expressions.ts";
import type { Keyed, PutRequest, QueryRequest, TransactAction, UpdateRequest } from "./requests.ts";

/** `$conversation_1`, `$timeline#seq_000000000003#sessionEvent_1`, `$container_1#epoch_`: the entity is the first word. */
function entityOf(sk: unknown): string {
  const text = String(sk);
  const end = text.search(/[^$A-Za-z]|$/);
  return end > 1 ? text.slice(1, end) : "unknown";
}

/** What the first appended row of the log is: the transition that a transaction makes. */
function rowOf({ Put }: TransactAction): string | null {
  if (!Put || entityOf(Put.Item["sk"]) !== "timeline") return null;
  const { __edb_e__: entity, type, role } = Put.Item as { __edb_e__: string; type?: string; role?: string };
  if (entity === "sessionEvent") return type ?? entity;
  return entity === "chatMessage" ? `message(${role ?? "?"})` : "checkpoint";
}

function keyOf({ Put, Update, Delete, ConditionCheck }: TransactAction): Item {
  return Put?.Item ?? (Update ?? Delete ?? ConditionCheck)?.Key ?? {};
}

function transactionOf(actions: TransactAction[]): string {
  const row = actions.map(rowOf).find((found) => found !== null);
  if (row) return row;
  const others = actions.slice(1).map((action) => entityOf(keyOf(action)["sk"]));
  return [...new Set(others)].join("+") || "conversation";
}

const claims = /#fence = |#lease_until = /;

function updateOf({ Key, UpdateExpression }: UpdateRequest): string {
  const entity = entityOf(Key["sk"]);
  if (entity !== "conversation") return entity;
  return claims.test(UpdateExpression) ? "conversation(claim)" : entity;
}

function queryOf({ IndexName, ExpressionAttributeValues = {} }: QueryRequest): string {
  const sk = ExpressionAttributeValues[":sk1"] ?? ExpressionAttributeValues[":pk"];
  return IndexName ? `${IndexName}:${entityOf(sk)}` : entityOf(sk);
}

/** The name of a crash point: what kind of request it is, and what it is about. */
export function labelOf(name: string, input: unknown): string {
  switch (name) {
    case "GetCommand":
      return `table.get:${entityOf((input as Keyed).Key["sk"])}`;
    case "QueryCommand":
      return `table.query:${queryOf(input as QueryRequest)}`;
    case "UpdateCommand":
      return `table.update:${updateOf(input as UpdateRequest)}`;
    case "PutCommand":
      return `table.put:${entityOf((input as PutRequest).Item["sk"])}`;
    case "DeleteCommand":
      return `table.delete:${entityOf((input as Keyed).Key["sk"])}`;
    case "TransactWriteCommand":
      return `table.transact:${transactionOf((input as { TransactItems: TransactAction[] }).TransactItems)}`;
    default:
      return `table.${name}`;
  }
}

export function isWrite(name: string): boolean {
  return name !== "GetCommand" && name !== "QueryCommand" && name !== "BatchGetCommand";
}

/** The keys that a request writes. */
export function writtenKeys(name: string, input: unknown): Item[] {
  if (name === "TransactWriteCommand") return (input as { TransactItems: TransactAction[] }).TransactItems.map(keyOf);
  if (name === "PutCommand") return [(input as PutRequest).Item];
  return name === "UpdateCommand" || name === "DeleteCommand" ? [(input as Keyed).Key] : [];
}
