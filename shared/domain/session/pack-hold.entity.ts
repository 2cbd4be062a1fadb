import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1 } = keyFields;

/** A session needs packs that another one made: they outlive their maker for as long as this row is there. */
export const packHoldEntity = createSchema({
  model: { entity: "packHold", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    /** Below whose prefix the packs are. */
    owner_id: { type: "string", required: true, readOnly: true },
    holder_id: { type: "string", required: true, readOnly: true },
    /** The holder's log names checkpoints of the owner: their manifests and blobs are needed as well. */
    checkpoints: { type: "boolean" },
    /** The owner's log is being copied: its rows are needed too, until this is gone. */
    copying: { type: "boolean" },
  },
  indexes: {
    /** Who needs a session's packs? */
    byOwner: {
      pk: { ...primary.pk, composite: ["tenant_id", "owner_id"] },
      sk: { ...primary.sk, composite: ["holder_id"] },
    },
    /** Whose packs does a session need? */
    byHolder: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["tenant_id", "holder_id"] },
      sk: { ...gsi1.sk, composite: ["owner_id"] },
    },
  },
});
