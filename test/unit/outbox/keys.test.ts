import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { rows } from "../../../shared/data/service.ts";

/** No I/O: the entities only build their parameters. */
const { entities } = rows({
  client: DynamoDBDocumentClient.from(new DynamoDBClient({ region: "us-east-1" })),
  name: "t",
});

const keysOf = (params: unknown) => {
  const item = Object.entries((params as { Item: Record<string, unknown> }).Item);
  return Object.fromEntries(item.filter(([name]) => /^(pk|sk|gsi\d[ps]k)$/.test(name)));
};

const webhook = {
  tenant_id: "ten_T",
  webhook_id: "whk_W",
  url: "https://hooks.example/",
  events: ["turn.ended"],
  description: "",
  enabled: true,
  secret: "sealed",
  previous_secrets: [],
  created_by: "usr_U",
  created_at: 1,
  updated_at: 1,
};
const delivery = {
  tenant_id: "ten_T",
  webhook_id: "whk_W",
  delivery_id: "dlv_D",
  type: "turn.ended",
  event_id: "evt_1",
  payload: "{}",
  status: "pending" as const,
  attempts: 0,
  round: 0,
  tries: [],
  created_at: 1,
  expires_at: 1,
};

/** Changing one of these keys is a migration: old rows would not be found. */
test.each<[string, unknown, Record<string, string>]>([
  [
    "webhook",
    entities.webhook.create(webhook).params(),
    { pk: "$platform#tenant_id_ten_T", sk: "$webhook_1#webhook_id_whk_W" },
  ],
  [
    "delivery that is due",
    entities.webhookDelivery.create({ ...delivery, due_shard: "3", due_at: 1763715600000 }).params(),
    {
      pk: "$platform#tenant_id_ten_T#webhook_id_whk_W",
      sk: "$webhookDelivery_1#delivery_id_dlv_D",
      gsi2pk: "$platform#due_shard_3",
      gsi2sk: "$webhookDelivery_1#due_at_01763715600000",
    },
  ],
  [
    "delivery that is done, which is in no index",
    entities.webhookDelivery.create(delivery).params(),
    { pk: "$platform#tenant_id_ten_T#webhook_id_whk_W", sk: "$webhookDelivery_1#delivery_id_dlv_D" },
  ],
])("the keys of a %s", (_name, params, expected) => {
  expect(keysOf(params)).toEqual(expected);
});

test("a session that is marked is found by when it should have been published", () => {
  const marking = entities.conversation
    .patch({ tenant_id: "ten_T", session_id: "5f0c" })
    .set({ publish_shard: "1", publish_due_at: 1763715600000 })
    .params() as { ExpressionAttributeValues: Record<string, unknown> };
  expect(Object.values(marking.ExpressionAttributeValues)).toEqual(
    expect.arrayContaining(["$platform#publish_shard_1", "$conversation_1#publish_due_at_01763715600000"]),
  );
});
