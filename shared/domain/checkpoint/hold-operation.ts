import { AppError } from "../../errors.ts";
import { requireLive, type Link, type LinkDeps } from "../container/link.ts";
import { transition } from "../conversation/conversation.ts";
import { holdOperation } from "./operation.decisions.ts";

/** The sandbox is at it. Throws `conflict` where it is over, or the sandbox is: then no file may be touched for it. */
export async function recordHold(deps: LinkDeps, link: Link, id: string): Promise<void> {
  await requireLive(deps, link);
  const outcome = await transition(deps, link.key, (current, now) => {
    if (current.epoch !== link.epoch) throw new AppError("conflict", "This container was replaced");
    return holdOperation(current, id, now);
  });
  if (outcome.kind !== "committed") throw new AppError("conflict", "This operation is over");
}
