import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** Good for one connect within a minute; `connect` deletes it in the transaction that writes the connection. */
export const wsTicketEntity = createSchema({
  model: { entity: "wsticket", version: "1", service: serviceName },
  attributes: {
    /** SHA-256 of the ticket. */
    ticket_hash: { type: "string", required: true, readOnly: true },
    tenant_id: { type: "string", required: true, readOnly: true },
    user_id: { type: "string", required: true, readOnly: true },
    /** Of the membership when it was issued; no good once the member's row has another. */
    generation: { type: "number", required: true, readOnly: true },
    /** Seconds. */
    expires_at: { type: "number", required: true, readOnly: true },
  },
  indexes: {
    byTicket: {
      pk: { ...primary.pk, composite: ["ticket_hash"] },
      sk: { ...primary.sk, composite: [] },
    },
  },
});
