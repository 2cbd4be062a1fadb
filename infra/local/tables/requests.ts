import {
  actions,
  requestChecks,
  validations,
  type CheckedRequest,
  type Fields,
  type RequestChecks,
} from "./dynalite.ts";
import { capacityList, capacityOfOne, wantsCapacity, writesConsumed } from "./capacity.ts";
import { maxItemBytes } from "./item-size.ts";
import { installOverrides } from "./overrides.ts";
import { StagedWrites, type TableStore } from "./table-store.ts";

installOverrides();

export type ItemAction = keyof typeof actions;
const writes: ReadonlySet<string> = new Set(["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"]);

export const onConditionFailure = { type: "String", enum: ["ALL_OLD", "NONE"] };
const checkOptions = { options: { maxItemSize: maxItemBytes } };

/** Types, limits and expressions of a request, as DynamoDB checks them before it looks at any table. */
export function checkRequest(checks: RequestChecks, input: Fields): CheckedRequest {
  const types = { ...checks.types, ReturnValuesOnConditionCheckFailure: onConditionFailure };
  const data = validations.checkTypes(input, types);
  validations.checkValidations(data, types, checks.custom, checkOptions);
  return data as CheckedRequest;
}

export async function runItemAction(store: TableStore, action: ItemAction, input: Fields): Promise<Fields> {
  const data = checkRequest(requestChecks[action], input);
  if (!writes.has(action)) return applyAction(action, new StagedWrites(store), data);
  return store.exclusively(async () => {
    const staged = new StagedWrites(store);
    const answer = await applyAction(action, staged, data);
    const capacity = capacityOf(action, staged, data);
    await staged.commit();
    return { ...answer, ...capacity };
  });
}

/** dynalite's own figures leave the indexes out. */
function capacityOf(action: ItemAction, staged: StagedWrites, data: CheckedRequest): Fields {
  if (!wantsCapacity(data)) return {};
  const consumed = writesConsumed(staged.store, staged.changes, 1);
  return {
    ConsumedCapacity: action === "BatchWriteItem" ? capacityList(data, consumed) : capacityOfOne(data, consumed),
  };
}

/** Runs one of dynalite's actions on staged writes. */
export function applyAction(action: ItemAction, staged: StagedWrites, data: CheckedRequest): Promise<Fields> {
  return new Promise((resolve, reject) => {
    actions[action](staged, data, (error, answer) => {
      if (error instanceof Error) reject(error);
      else resolve(answer ?? {});
    });
  });
}
