/** True where a conditional write lost, however ElectroDB wrapped the SDK's exception. */
export function isConditionFailure(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at.name === "ConditionalCheckFailedException") return true;
  }
  return false;
}
