import type { IdPrefix } from "../protocol/ids.ts";

/** All identifiers and all randomness, so that a run can be replayed from a seed. */
export interface Ids {
  /** `<prefix>_<ULID>`. */
  next(prefix: IdPrefix): string;
  uuid(): string;
  /** Unguessable, base64url, of `bytes` random bytes. */
  secret(bytes: number): string;
  /** In [0, 1): jitter only. */
  random(): number;
}
