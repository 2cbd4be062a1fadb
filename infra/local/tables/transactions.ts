import {
  addUnits,
  capacityList,
  readUnits,
  wantsCapacity,
  writesConsumed,
  writeUnits,
  type Consumed,
} from "./capacity.ts";
import { dynalite, type CheckedRequest, type Fields, type Item } from "./dynalite.ts";
import { failureBody, serviceFailure, validationFailure } from "./failure.ts";
import { itemBytes } from "./item-size.ts";
import { applyAction } from "./requests.ts";
import { StagedWrites, type TableClock, type TableStore } from "./table-store.ts";
import { checkToken, tokenStep } from "./transaction-tokens.ts";
import {
  checkReads,
  checkWrites,
  distinctKeys,
  maxTransactionBytes,
  type TransactionStep,
} from "./transaction-request.ts";

interface CancellationReason {
  Code: string;
  Message?: string;
  Item?: Item;
}

/**
 * All or nothing: every part is checked against the state before, then all rows, index rows and the token go into one
 * LevelDB batch. TransactionConflict never happens, since writes are serialised.
 */
export async function transactWriteItems(store: TableStore, clock: TableClock, input: Fields): Promise<Fields> {
  const request = JSON.stringify(input["TransactItems"]);
  const steps = checkWrites(input);
  return store.exclusively(async () => {
    const keys = distinctKeys(
      store,
      steps.map((step) => step.data),
    );
    const parts = steps.map(({ data, action }, at) => ({ data, action, key: keys[at] ?? null }));
    if (checkToken(store, clock, input, request) === "repeated") {
      return capacityAnswer(input, () => addParts(new Map(), store, parts, readUnits));
    }
    const staged = new StagedWrites(store);
    const reasons: CancellationReason[] = [];
    for (const step of steps) reasons.push(await stage(staged, step));
    refuseCancelled(reasons);
    refuseTooLarge(staged);
    const checks = parts.filter(({ action }) => action === null);
    const answer = capacityAnswer(input, () =>
      addParts(writesConsumed(store, staged.changes, 2), store, checks, writeUnits),
    );
    staged.steps.push(...tokenStep(clock, input, request));
    await staged.commit();
    return answer;
  });
}

export async function transactGetItems(store: TableStore, input: Fields): Promise<Fields> {
  const reads = checkReads(input);
  return store.exclusively(async () => {
    const keys = distinctKeys(store, reads);
    const staged = new StagedWrites(store);
    const responses: Fields[] = [];
    const reasons: CancellationReason[] = [];
    for (const data of reads) {
      const outcome = await attempt(() => applyAction("GetItem", staged, data));
      reasons.push(outcome.reason);
      responses.push(outcome.answer["Item"] === undefined ? {} : { Item: outcome.answer["Item"] });
    }
    refuseCancelled(reasons);
    const parts = reads.map((data, at) => ({ data, key: keys[at] ?? null }));
    return {
      Responses: responses,
      ...capacityAnswer(input, () => addParts(new Map(), store, parts, readUnits)),
    };
  });
}

async function stage(staged: StagedWrites, step: TransactionStep): Promise<CancellationReason> {
  const { action, data } = step;
  const outcome = await attempt(() =>
    action === null ? checkCondition(staged, data) : applyAction(action, staged, data),
  );
  return outcome.reason;
}

async function checkCondition(staged: StagedWrites, data: CheckedRequest): Promise<Fields> {
  const { table } = staged.store.entry(data.TableName);
  const key = data.Key ?? {};
  const invalid = dynalite.validateKey(key, table);
  if (invalid) throw invalid;
  const failed = dynalite.checkConditional(data, staged.store.readItem(data.TableName, dynalite.createKey(key, table)));
  if (failed) throw failed;
  return {};
}

async function attempt(part: () => Promise<Fields>): Promise<{ reason: CancellationReason; answer: Fields }> {
  try {
    return { answer: await part(), reason: { Code: "None" } };
  } catch (error) {
    return { answer: {}, reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): CancellationReason {
  const failure = failureBody(error);
  const type = String(failure?.body["__type"]).split("#").at(-1);
  const Message = String(failure?.body["message"]);
  if (type === "ValidationException") return { Code: "ValidationError", Message };
  if (type !== "ConditionalCheckFailedException") throw error;
  const item = failure?.body["Item"];
  return { Code: "ConditionalCheckFailed", Message, ...(item ? { Item: item as Item } : {}) };
}

function refuseCancelled(reasons: CancellationReason[]): void {
  if (reasons.every((reason) => reason.Code === "None")) return;
  const codes = reasons.map((reason) => reason.Code).join(", ");
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
  throw serviceFailure("TransactionCanceledException", message, { Message: message, CancellationReasons: reasons });
}

function refuseTooLarge(staged: StagedWrites): void {
  const bytes = writtenItems(staged).reduce((total, item) => total + itemBytes(item), 0);
  if (bytes > maxTransactionBytes)
    throw validationFailure("Transaction request cannot include items larger than 4 MB in aggregate");
}

function writtenItems(staged: StagedWrites): Item[] {
  return staged.steps.flatMap((step) =>
    step.type === "put" && step.key.startsWith("item~") ? [step.value as Item] : [],
  );
}

/** Reads and condition checks of a transaction cost two units each: of 4 KB, and of 1 KB, as a write would. */
function addParts(
  consumed: Consumed,
  store: TableStore,
  parts: { data: CheckedRequest; key: string | null }[],
  unitsOf: (bytes: number) => number,
): Consumed {
  for (const { data, key } of parts) {
    const item = key === null ? undefined : store.readItem(data.TableName, key);
    addUnits(consumed, data.TableName, 2 * unitsOf(item ? itemBytes(item) : 0));
  }
  return consumed;
}

function capacityAnswer(input: Fields, consumed: () => Consumed): Fields {
  return wantsCapacity(input) ? { ConsumedCapacity: capacityList(input, consumed()) } : {};
}
