import { createSchema } from "electrodb";
import { keyFields, serviceName } from "../../data/table.ts";

const { primary, gsi1, gsi2 } = keyFields;

/** One commit of the workspace, durable in object storage before this row exists. */
export const gitCheckpointEntity = createSchema({
  model: { entity: "gitCheckpoint", version: "1", service: serviceName },
  attributes: {
    tenant_id: { type: "string", required: true, readOnly: true },
    session_id: { type: "string", required: true, readOnly: true },
    seq: { type: "number", required: true, readOnly: true, padding: { length: 12, char: "0" } },
    at: { type: "number", required: true, readOnly: true },
    /** Absent where no turn made it. */
    turn_id: { type: "string", readOnly: true },
    /** Absent in rows of an older version: a turn. */
    cause: { type: ["turn", "manual", "stop", "restore", "merge", "fork"] as const, readOnly: true },
    /** Of a restore: the number of the checkpoint whose files these are. */
    restored_from: { type: "number", readOnly: true },
    number: { type: "number", required: true, readOnly: true, padding: { length: 8, char: "0" } },
    commit: { type: "string", required: true, readOnly: true },
    parent_commit: { type: "string", readOnly: true },
    tree: { type: "string", required: true, readOnly: true },
    message: { type: "string", required: true, readOnly: true },
    files: { type: "number", required: true, readOnly: true },
    insertions: { type: "number", required: true, readOnly: true },
    deletions: { type: "number", required: true, readOnly: true },
    /** Every pack that a restore lays over the base commit, oldest first. */
    pack_keys: { type: "list", required: true, readOnly: true, items: { type: "string" } },
    manifest_key: { type: "string", required: true, readOnly: true },
    /** Both sides of the changed text files; absent where there are none, or it was made without a sandbox. */
    blobs_key: { type: "string", readOnly: true },
    /** Of the first checkpoint: the manifest of the state before it. */
    parent_manifest_key: { type: "string", readOnly: true },
    /** Why the push is held. */
    secrets: {
      type: "list",
      readOnly: true,
      items: {
        type: "map",
        properties: { path: { type: "string", required: true }, rule: { type: "string", required: true } },
      },
    },
    /** JSON. Its files hold the conflicts of this merge. */
    merging: { type: "string", readOnly: true },
    warning: { type: "string", readOnly: true },
    branch: { type: "string" },
    push_status: { type: ["none", "pushed", "pending", "held"] as const, required: true },
    push_error: { type: "string" },
    /** Of one that needs packs no more which the one before it did: when those may be removed. Absent once they are. */
    tidy_shard: { type: "string" },
    tidy_at: { type: "number", padding: { length: 14, char: "0" } },
  },
  indexes: {
    timeline: {
      collection: "timeline",
      type: "clustered",
      pk: { ...primary.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...primary.sk, composite: ["seq"] },
    },
    /** A session's checkpoints by number, newest first. */
    byNumber: {
      ...gsi1,
      pk: { ...gsi1.pk, composite: ["tenant_id", "session_id"] },
      sk: { ...gsi1.sk, composite: ["number"] },
    },
    /** Which checkpoints freed packs that nobody fetches any more? */
    dueForTidying: {
      ...gsi2,
      pk: { ...gsi2.pk, composite: ["tidy_shard"] },
      sk: { ...gsi2.sk, composite: ["tidy_at"] },
    },
  },
});
