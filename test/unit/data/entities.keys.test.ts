import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { rows } from "../../../shared/data/service.ts";

/** No I/O: the entities only build their parameters. */
const platform = rows({ client: DynamoDBDocumentClient.from(new DynamoDBClient({ region: "us-east-1" })), name: "t" });
const { entities } = platform;

const of = { tenant_id: "ten_T", session_id: "5f0c" };
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };

interface Keys {
  pk: string;
  sk: string;
  gsi1pk?: string;
  gsi1sk?: string;
  gsi2pk?: string;
  gsi2sk?: string;
  gsi5pk?: string;
  gsi5sk?: string;
}

function keysOf(params: unknown): Keys {
  const { Item } = params as { Item: Record<string, unknown> };
  const names = ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "gsi5pk", "gsi5sk"];
  return Object.fromEntries(
    names.filter((name) => Item[name] !== undefined).map((name) => [name, Item[name]]),
  ) as unknown as Keys;
}

const session = {
  ...of,
  title: "t",
  messages: "null",
  inbox_status: "active" as const,
  sbx_config: "null",
  created_by: "usr_U",
  created_at: 1,
  updated_at: 1,
  last_activity_at: 1763715600000,
};
const conversation = {
  ...of,
  status: "running" as const,
  phase: "model" as const,
  step: 0,
  fence: 0,
  lease_until: 0,
  head: 0,
  pending_calls: 0,
  queue: [],
  attempts: 0,
  waiting_since: 0,
  losses: 0,
  epoch: 0,
  checkpoint: 0,
  updated_at: 1,
};
const checkpoint = {
  ...of,
  seq: 12,
  at: 1,
  turn_id: "trn_A",
  number: 3,
  commit: "c",
  tree: "t",
  message: "m",
  files: 1,
  insertions: 1,
  deletions: 0,
  pack_keys: [],
  manifest_key: "k",
  push_status: "none" as const,
};

/** Changing one of these keys is a migration: old rows would not be found. */
test.each<[string, unknown, Keys]>([
  [
    "session",
    entities.session.create(session).params(),
    {
      pk: "$platform#tenant_id_ten_T",
      sk: "$session_1#session_id_5f0c",
      gsi1pk: "$platform#tenant_id_ten_T",
      gsi1sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
      gsi2pk: "$platform#tenant_id_ten_T#inbox_status_active",
      gsi2sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
    },
  ],
  [
    "resting conversation",
    entities.conversation.create(conversation).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$conversation_1",
    },
  ],
  [
    "conversation with work",
    entities.conversation.create({ ...conversation, due_at: 1763715600000, due_shard: "3" }).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$conversation_1",
      gsi5pk: "$platform#due_shard_3",
      gsi5sk: "$conversation_1#due_at_01763715600000",
    },
  ],
  [
    "message",
    entities.chatMessage
      .create({ ...of, seq: 9, at: 1, turn_id: "trn_A", message_id: "msg_A", role: "user", body: "[]" })
      .params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$timeline#seq_000000000009#chatMessage_1",
    },
  ],
  [
    "event",
    entities.sessionEvent.create({ ...of, seq: 12, at: 1, type: "turn.started", data: "{}" }).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$timeline#seq_000000000012#sessionEvent_1",
    },
  ],
  [
    "checkpoint",
    entities.gitCheckpoint.create(checkpoint).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$timeline#seq_000000000012#gitCheckpoint_1",
      gsi1pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      gsi1sk: "$gitCheckpoint_1#number_00000003",
    },
  ],
  [
    "tool call",
    entities.toolCall
      .create({
        ...of,
        call_id: "toolu_X",
        turn_id: "trn_A",
        step: 2,
        name: "bash",
        asked_at_seq: 4,
        state: "pending",
        nonce: "n",
        epoch: 1,
        timeout_ms: 1,
        deadline_at: 1,
        created_at: 1,
      })
      .params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$toolCall_1#turn_id_trn_A#step_2#call_id_toolu_X",
    },
  ],
  [
    "container",
    entities.container
      .create({
        ...of,
        epoch: 7,
        status: "starting",
        preview_key: "k",
        requested_at: 1,
        last_heartbeat_at: 1,
        task_id: "arn:T",
      })
      .params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$container_1#epoch_00000007",
      gsi5pk: "$platform#task_id_arn:T",
      gsi5sk: "$container_1",
    },
  ],
  [
    "ledger row",
    entities.tokenUsage
      .create({
        ...of,
        turn_id: "trn_A",
        step: 2,
        user_id: "usr_U",
        at: 1763715600000,
        model: "m",
        ...usage,
      })
      .params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$tokenUsage_1#turn_id_trn_A#step_000002",
    },
  ],
  [
    "usage counter",
    entities.usageCounter.create({ tenant_id: "ten_T", month: "2026-11", spender: "tenant", shard: 2 }).params(),
    {
      pk: "$platform#tenant_id_ten_T#month_2026-11#spender_tenant",
      sk: "$usageCounter_1#shard_2",
    },
  ],
  [
    "usage of a day",
    entities.usageDay.create({ ...of, day: "2026-11-21", month: "2026-11", user_id: "usr_U", model: "m" }).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$usageDay_1#day_2026-11-21#user_id_usr_U#model_m",
      gsi1pk: "$platform#tenant_id_ten_T#month_2026-11",
      gsi1sk: "$usageDay_1#day_2026-11-21#user_id_usr_U#session_id_5f0c#model_m",
    },
  ],
  [
    "usage of a sandbox",
    entities.sandboxUsage.create({ ...of, epoch: 7, user_id: "usr_U", from: 1, until: 2, seconds: 1, at: 2 }).params(),
    { pk: "$platform#tenant_id_ten_T#session_id_5f0c", sk: "$sandboxUsage_1#epoch_00000007" },
  ],
  [
    "membership",
    entities.user
      .create({ tenant_id: "ten_T", user_id: "usr_U", email: "e", role: "viewer", generation: 1, created_at: 1 })
      .params(),
    { pk: "$platform#tenant_id_ten_T", sk: "$user_1#user_id_usr_U" },
  ],
  [
    "account",
    entities.login.create({ email: "a@b.c", user_id: "usr_U", generation: 1, created_at: 1 }).params(),
    { pk: "$platform#email_a@b.c", sk: "$login_1" },
  ],
  [
    "invite",
    entities.invite
      .create({
        tenant_id: "ten_T",
        invite_id: "inv_I",
        secret_hash: "h",
        role: "viewer",
        invited_by: "usr_U",
        created_at: 1,
        expires_at: 1,
      })
      .params(),
    { pk: "$platform#tenant_id_ten_T", sk: "$invite_1#invite_id_inv_I" },
  ],
  [
    "identity (hashes are case sensitive)",
    entities.identity.create({ subject_hash: "aB", email: "e", user_id: "usr_U", created_at: 1 }).params(),
    { pk: "$platform#subject_hash_aB", sk: "$identity_1" },
  ],
  [
    "spent ID token",
    entities.spentIdToken.create({ token_hash: "aB", expires_at: 1 }).params(),
    { pk: "$platform#token_hash_aB", sk: "$spentidtoken_1" },
  ],
  [
    "quota counter",
    entities.quotaCounter.create({ tenant_id: "ten_T", name: "storedSessions" }).params(),
    { pk: "$platform#tenant_id_ten_T", sk: "$quotaCounter_1#name_storedSessions" },
  ],
  [
    "connection (its id is case sensitive)",
    entities.connection
      .create({
        connection_id: "L0SM9cOFvHcCIhw=",
        kind: "user",
        tenant_id: "ten_T",
        connected_at: 1,
        expires_at: 1,
      })
      .params(),
    {
      pk: "$platform#connection_id_L0SM9cOFvHcCIhw=",
      sk: "$connection_1",
    },
  ],
  [
    "subscription",
    entities.subscription.create({ ...of, connection_id: "L0S=", expires_at: 1 }).params(),
    {
      pk: "$platform#tenant_id_ten_T#session_id_5f0c",
      sk: "$subscription_1#connection_id_L0S=",
    },
  ],
  [
    "idempotency",
    entities.idempotency
      .create({
        tenant_id: "ten_T",
        scope: "usr_U#5f0c",
        request_id: "r1",
        fingerprint: "f",
        result: "{}",
        expires_at: 1,
      })
      .params(),
    {
      pk: "$platform#tenant_id_ten_T#scope_usr_U#5f0c",
      sk: "$idempotency_1#request_id_r1",
    },
  ],
  [
    "idempotency key (hashes are case sensitive)",
    entities.idempotencyKey
      .create({
        tenant_id: "ten_T",
        scope: "usr_U#POST /sessions",
        key_hash: "aB",
        fingerprint: "f",
        operation_id: "o",
        attempt: 1,
        locked_until: 1,
        expires_at: 1,
      })
      .params(),
    { pk: "$platform#tenant_id_ten_T#scope_usr_U#POST /sessions", sk: "$idempotencyKey_1#key_hash_aB" },
  ],
])("the keys of a %s", (_name, params, expected) => {
  expect(keysOf(params)).toEqual(expected);
});

test("the timeline is read from the next seq on, and nothing else of the session is", () => {
  const query = platform.collections.timeline(of).between({ seq: 10 }, { seq: 999_999_999_999 }).params();
  const { KeyConditionExpression, ExpressionAttributeValues } = query as unknown as {
    KeyConditionExpression: string;
    ExpressionAttributeValues: Record<string, string>;
  };
  expect(KeyConditionExpression).toContain("BETWEEN");
  expect(ExpressionAttributeValues).toMatchObject({
    ":sk1": "$timeline#seq_000000000010",
    ":sk2": expect.stringContaining("$timeline#seq_999999999999"),
  });
});
