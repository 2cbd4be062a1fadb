import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary } = keyFields;

/** A word of a session's title, folded: written and removed in the transaction that changes the title. */
export const sessionWordEntity = createSchema({
  model: { entity: "sessionWord", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    word: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
  },
  indexes: {
    /** Which sessions have a title with a word that begins so? */
    byWord: {
      pk: { ...primary.pk, composite: ["tenant_id"] },
      sk: { ...primary.sk, composite: ["word", "session_id"] },
    },
  },
});
