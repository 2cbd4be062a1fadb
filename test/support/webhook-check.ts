import { objections, type Json } from "./json-schema.ts";
import { reportMismatch } from "./message-check.ts";
import { httpSchema, openApi } from "./openapi.ts";

/** A webhook's body that `/openapi.json` does not have fails the test in which it was sent. */
export function checkWebhook(body: string): void {
  const { type } = JSON.parse(body) as { type: string };
  const { webhooks } = openApi() as { webhooks: Json };
  const found =
    type in webhooks
      ? objections(
          httpSchema("webhooks", type, "post", "requestBody", "content", "application/json", "schema"),
          JSON.parse(body),
        )
      : ["is not documented"];
  if (found.length > 0) reportMismatch(`webhook ${type}: ${found.join("; ")}`);
}
