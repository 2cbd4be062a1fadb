/** True where a conditional write lost, however ElectroDB wrapped the SDK's exception. */
export function isConditionFailure(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at.name === "ConditionalCheckFailedException") return true;
  }
  return false;
}

/** True where a transaction on the same item was under way: the same write may succeed right after. */
export function isTransactionConflict(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at.name === "TransactionConflictException") return true;
  }
  return false;
}
