import type { Caller } from "../contract.ts";
import { indexArn, tableArn } from "./catalogue.ts";
import type { Fields } from "./dynalite.ts";
import { accessDenied } from "./failure.ts";
import { rawSteps, writeKinds, type WriteKind } from "./transaction-request.ts";

interface Need {
  action: string;
  resource: string;
}

const actionOfWrite: Record<WriteKind, string> = {
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "ConditionCheckItem",
};

/** What IAM asks for: transactions need the single action of each part, batches their own action on each table. */
function needsOf(operation: string, input: Fields): Need[] {
  switch (operation) {
    case "TransactWriteItems":
      return rawSteps(input, writeKinds).map(({ kind, request }) => need(actionOfWrite[kind], request["TableName"]));
    case "TransactGetItems":
      return rawSteps(input, ["Get"]).map(({ request }) => need("GetItem", request["TableName"]));
    case "BatchGetItem":
    case "BatchWriteItem":
      return Object.keys((input["RequestItems"] as Fields | undefined) ?? {}).map((table) => need(operation, table));
    case "ListTables":
      return [{ action: "dynamodb:ListTables", resource: "*" }];
    default:
      return [need(operation, input["TableName"], input["IndexName"])];
  }
}

export function authorise(caller: Caller, operation: string, input: Fields): void {
  for (const { action, resource } of needsOf(operation, input)) {
    if (!caller.allows(action, resource)) throw accessDenied(caller.roleId, action, resource);
  }
}

/** A table may be named by its ARN too. */
function need(action: string, table: unknown, index?: unknown): Need {
  const name = String(table).split(":table/").at(-1) ?? "";
  const resource = typeof index === "string" ? indexArn(name, index) : tableArn(name);
  return { action: `dynamodb:${action}`, resource };
}
