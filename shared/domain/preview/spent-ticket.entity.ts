import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A preview's ticket that was used. The time to live removes it when the ticket is of no use any more. */
export const spentTicketEntity = createSchema({
  model: { entity: "spentticket", version: "1", service: serviceName },
  attributes: {
    /** SHA-256 of the ticket. */
    ticket_hash: { type: "string", required: true, readOnly: true },
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
