import type { OutboundMessage } from "../../protocol/webhook.ts";
import { deliver, type DeliverDeps } from "../webhook/deliver.ts";
import { publish, type PublishDeps } from "./publish.ts";

/** What a message of the outbound queue asks to look at. */
export function handleOutbound(deps: PublishDeps & DeliverDeps, message: OutboundMessage): Promise<void> {
  return message.kind === "publish" ? publish(deps, message) : deliver(deps, message);
}
