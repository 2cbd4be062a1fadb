import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { rows } from "../../../shared/data/service.ts";
import { placesOf } from "../../../shared/domain/session/session-keys.decisions.ts";
import { removedEntities } from "../../../shared/domain/session/session-rows-removal.ts";

/** No I/O: the entities only build their parameters. */
const { entities } = rows({
  client: DynamoDBDocumentClient.from(new DynamoDBClient({ region: "us-east-1" })),
  name: "t",
});
const of = { tenant_id: "ten_T", session_id: "5f0c" };
const session = {
  ...of,
  title: "t",
  inbox_status: "active" as const,
  created_by: "usr_U",
  created_at: 1,
  updated_at: 1,
  last_activity_at: 1763715600000,
};
const related = { parent: "77aa", repo_url: "https://git.test/a/b.git" };
const tenantKey = "$platform#tenant_id_ten_T";
const sessionKey = `${tenantKey}#session_id_5f0c`;
const at = "01763715600000#5f0c";

function keysOf(params: unknown): Record<string, unknown> {
  const { Item } = params as { Item: Record<string, unknown> };
  return Object.fromEntries(Object.entries(Item).filter(([name]) => /^(pk|sk|gsi\d[ps]k)$/.test(name)));
}

/** Changing one of these keys is a migration: old rows would not be found. */
test.each<[string, unknown, Record<string, string>]>([
  [
    "session without parent and repository",
    entities.session.create({ ...session, ...placesOf(session) }).params(),
    {
      pk: tenantKey,
      sk: "$session_1#session_id_5f0c",
      gsi1pk: tenantKey,
      gsi1sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
      gsi2pk: `${tenantKey}#inbox_status_active`,
      gsi2sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
    },
  ],
  [
    "session with both",
    entities.session.create({ ...session, ...related, ...placesOf({ ...session, ...related }) }).params(),
    {
      pk: tenantKey,
      sk: "$session_1#session_id_5f0c",
      gsi1pk: tenantKey,
      gsi1sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
      gsi2pk: `${tenantKey}#inbox_status_active`,
      gsi2sk: "$session_1#last_activity_at_01763715600000#session_id_5f0c",
      gsi3pk: "$platform#child_of_ten_T#77aa#active",
      gsi3sk: `$session_1#child_at_${at}`,
      gsi4pk: "$platform#in_repo_ten_T#https://git.test/a/b.git#active",
      gsi4sk: `$session_1#in_repo_at_${at}`,
    },
  ],
  [
    "document",
    entities.sessionDocument.create({ ...of, name: "messages", text: "{}" }).params(),
    { pk: sessionKey, sk: "$sessionDocument_1#name_messages" },
  ],
  [
    "word",
    entities.sessionWord.create({ ...of, word: "clock" }).params(),
    { pk: tenantKey, sk: "$sessionWord_1#word_clock#session_id_5f0c" },
  ],
  [
    "branch",
    entities.sessionBranch.create({ ...of, repo_url: "https://git.test/a/b.git", name: "work" }).params(),
    { pk: `${tenantKey}#repo_url_https://git.test/a/b.git`, sk: "$sessionBranch_1#name_work" },
  ],
  [
    "hold on another's packs",
    entities.packHold.create({ tenant_id: "ten_T", owner_id: "0a", holder_id: "0b" }).params(),
    {
      pk: `${tenantKey}#owner_id_0a`,
      sk: "$packHold_1#holder_id_0b",
      gsi1pk: `${tenantKey}#holder_id_0b`,
      gsi1sk: "$packHold_1#owner_id_0a",
    },
  ],
  [
    "removal",
    entities.sessionRemoval
      .create({ ...of, title: "t", requested_at: 1, due_shard: "3", due_at: 1763715600000 })
      .params(),
    {
      pk: tenantKey,
      sk: "$sessionRemoval_1#session_id_5f0c",
      gsi1pk: "$platform#due_shard_3",
      gsi1sk: "$sessionRemoval_1#due_at_01763715600000",
    },
  ],
  [
    "mark of a reader who has read all",
    entities.inboxMark.create({ ...of, user_id: "usr_U", read_seq: 7 }).params(),
    { pk: sessionKey, sk: "$inboxMark_1#user_id_usr_U" },
  ],
  [
    "mark of a reader for whom an answer waits",
    entities.inboxMark
      .create({ ...of, user_id: "usr_U", unread_seq: 7, unread_of: "ten_T#usr_U", unread_at: at })
      .params(),
    {
      pk: sessionKey,
      sk: "$inboxMark_1#user_id_usr_U",
      gsi3pk: "$platform#unread_of_ten_T#usr_U",
      gsi3sk: `$inboxMark_1#unread_at_${at}`,
    },
  ],
  [
    "counter",
    entities.inboxCounter.create({ tenant_id: "ten_T", shard: 3, active: 1 }).params(),
    { pk: tenantKey, sk: "$inboxCounter_1#shard_3" },
  ],
])("the keys of a %s", (_name, params, expected) => {
  expect(keysOf(params)).toEqual(expected);
});

/** Rows that name a session in their key and are not removed with it as its contents are. */
const notContents: Record<string, string> = {
  session: "deleted by the deletion itself",
  sessionRemoval: "the removal itself, which it ends with",
  conversation: "goes last",
  sessionWord: "found by the title",
  tokenUsage: "the ledger",
  sandboxUsage: "the ledger of containers",
  usageDay: "the ledger, summed by day",
};

test("a deleted session's job removes every entity that is kept under a session's key", () => {
  const underSession = Object.entries(entities).flatMap(([name, entity]) => {
    const { indexes } = entity.schema as unknown as {
      indexes: Record<string, { index?: string; pk: { composite: string[] }; sk?: { composite: string[] } }>;
    };
    const primary = Object.values(indexes).find(({ index }) => index === undefined);
    const composites = [...(primary?.pk.composite ?? []), ...(primary?.sk?.composite ?? [])];
    return composites.includes("session_id") ? [name] : [];
  });
  expect(underSession.filter((name) => !removedEntities.includes(name) && !(name in notContents))).toEqual([]);
  expect(Object.keys(notContents).filter((name) => !underSession.includes(name))).toEqual([]);
});
