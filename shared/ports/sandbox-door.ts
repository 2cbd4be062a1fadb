import type { DoorBody, DoorOp, DoorResult } from "../protocol/door.ts";

/** How one container's supervisor is reached. */
export interface DoorAddress {
  address: string;
  controlKey: string;
}

export interface SandboxDoor {
  /**
   * Asks a running sandbox's supervisor. Throws the `AppError` that it answers with, `sandbox_unavailable` where it does not
   * answer (it may have done what was asked), and `payload_too_large` past 5 MB in either direction.
   */
  ask<Op extends DoorOp>(
    container: DoorAddress,
    op: Op,
    body: DoorBody<Op>,
    options: { timeoutMs: number },
  ): Promise<DoorResult<Op>>;
}
