import { CourierRequest, type CourierAnswer } from "../../shared/protocol/webhook.ts";
import { liveCourier } from "../live/outbound-courier.ts";

let deps: ReturnType<typeof liveCourier> | null = null;

/** Calls one stranger's URL. */
export async function handler(event: unknown): Promise<CourierAnswer> {
  deps ??= liveCourier();
  return deps.sender.send(CourierRequest.parse(event));
}
