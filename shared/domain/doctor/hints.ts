import type { Invariant } from "./violation.ts";

/** What an operator can do about it. Nothing here is done by itself: a row that is wrong shows a bug, and is its proof. */
export const repairHints: Record<Invariant, string> = {
  I1: "The prompt stays on the log. Send it again where it should run; one that waits for ever goes by DELETE /sessions/{id}/queue/{turn_id}.",
  I2: "Send a prompt: the next step answers a call that has no result, once. Two results for one call need no repair: the model sees one.",
  I3: "Compare with the model provider's bill by `model_request_id`. The ledger is never rewritten; correct the invoice.",
  I4: "Two workers committed one step: keep the rows and the workers' logs of both fences, and report it.",
  I5: "Look whether the sweeper runs and whether dead letters wait. POST /sessions/{id}/interrupt ends a turn that is stuck; the queue goes on.",
  I6: "Stop the older task. The next prompt starts a container from the newest checkpoint.",
  I7: "A gap is a lost row: restore the table to a point in time beside this one and compare. An unpublished rest is published with the next event.",
  I9: "What is held too much frees itself with the session's next step or end; otherwise lower `reserved_*` of the budget row by that much.",
  I10: "Treat it as an incident: block the tenant's keys, and look in the logs for both session ids.",
  I11: "The checkpoints before it are untouched: restore one of them, or fork from it.",
  I13: "restores.decisions.ts, restore-offline.ts, report.ts",
};
