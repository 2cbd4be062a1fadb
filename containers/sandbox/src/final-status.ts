/** Of an answer that can be passed on. Strangers' servers say what they like, and Node throws at what is no status. */
export function isFinalStatus(status = 0): boolean {
  return status >= 200 && status <= 599;
}
