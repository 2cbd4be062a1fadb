import type { CourierAnswer, CourierRequest } from "../protocol/webhook.ts";

export interface WebhookSender {
  /** One POST, at most 10 s. The fate of the request is an answer; throws where it could not even be tried. */
  send(request: CourierRequest): Promise<CourierAnswer>;
}

export interface WebhookAddresses {
  /** The URL as it will be called. Throws `url_not_allowed` where its form or its present addresses are forbidden. */
  check(url: string): Promise<string>;
}
