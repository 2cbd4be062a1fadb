/** Page cursors hold table keys: sealed, so that nobody can forge one, and bound to the tenant and the list. */
export interface Cursors {
  seal(cursor: string, tenantId: string, scope: string): Promise<string>;
  /** Throws `bad_request` for a cursor that this tenant did not get for this list. */
  open(sealed: string, tenantId: string, scope: string): Promise<string>;
}
