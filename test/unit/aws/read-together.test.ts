import { BatchGetCommand, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { readTogether } from "../../../shared/adapters/aws/read-together.ts";
import type { TableClient } from "../../../shared/data/service.ts";

type Row = { pk: string; sk: string };
type Sent = { constructor: { name: string }; input: Record<string, unknown> };

/** Holds a row for every key but those with `pk: "none"`; `later` are not read in a batch. */
function tableOf(later: string[] = []) {
  const sent: Sent[] = [];
  const rowAt = (key: Row) => (key.pk === "none" ? undefined : { ...key, value: `${key.pk}/${key.sk}` });
  const send = async (command: Sent): Promise<object> => {
    sent.push(command);
    if (command instanceof GetCommand) return { Item: rowAt(command.input.Key as Row) };
    if (!(command instanceof BatchGetCommand)) return {};
    const [[table, { Keys = [] }] = ["", {}]] = Object.entries(command.input.RequestItems ?? {});
    const left = Keys.filter((key) => later.includes((key as Row).sk));
    const read = Keys.filter((key) => !left.includes(key)).flatMap((key) => rowAt(key as Row) ?? []);
    return {
      Responses: { [table]: read.toReversed() },
      UnprocessedKeys: left.length > 0 ? { [table]: { Keys: left } } : {},
    };
  };
  return { sent, client: readTogether({ send } as unknown as TableClient) };
}

const get = (sk: string, more: object = {}) =>
  new GetCommand({ TableName: "t", Key: { pk: "a", sk }, ConsistentRead: true, ...more });
const kinds = (sent: Sent[]) => sent.map(({ constructor: { name } }) => name);
const valueOf = ({ Item }: { Item?: Record<string, unknown> }) => Item?.["value"];

test("reads that are asked for at once are one request, and each gets its own row", async () => {
  const { sent, client } = tableOf();
  const later = Promise.resolve().then(() => client.send(get("3")));
  const none = client.send(new GetCommand({ TableName: "t", Key: { pk: "none", sk: "1" }, ConsistentRead: true }));
  const answers = await Promise.all([client.send(get("1")), client.send(get("2")), later, none]);
  expect(answers.map(valueOf)).toEqual(["a/1", "a/2", "a/3", undefined]);
  expect(kinds(sent)).toEqual(["BatchGetCommand"]);
  expect(sent[0]?.input["RequestItems"]).toMatchObject({ t: { ConsistentRead: true } });
});

test("one alone, one after the other, and all but plain reads go as they came", async () => {
  const { sent, client } = tableOf();
  await client.send(get("1"));
  await client.send(get("1"));
  const stale = get("2", { ConsistentRead: false });
  const part = get("3", { ProjectionExpression: "#a", ExpressionAttributeNames: { "#a": "a" } });
  const put = new PutCommand({ TableName: "t", Item: {} });
  await Promise.all([client.send(stale), client.send(part), client.send(put), client.send(get("4"))]);
  expect(kinds(sent)).toEqual(["GetCommand", "GetCommand", "GetCommand", "GetCommand", "PutCommand", "GetCommand"]);
  expect(sent.slice(2, 5)).toEqual([stale, part, put]);
});

test("the same row twice, another table's, what a batch has left, and more than it takes", async () => {
  const { sent, client } = tableOf(["2"]);
  const other = new GetCommand({ TableName: "u", Key: { pk: "b", sk: "1" }, ConsistentRead: true });
  const few = await Promise.all([get("1"), get("1"), other, get("2")].map((command) => client.send(command)));
  expect(few.map((answer) => valueOf(answer as object))).toEqual(["a/1", "a/1", "b/1", "a/2"]);
  expect(kinds(sent).toSorted()).toEqual(["BatchGetCommand", "GetCommand", "GetCommand", "GetCommand"]);
  const many = await Promise.all(Array.from({ length: 101 }, (_, at) => client.send(get(String(at + 10)))));
  expect(many.map(valueOf)).toEqual(many.map((_, at) => `a/${at + 10}`));
});

test("a batch that fails is the failure of each", async () => {
  const send = () => Promise.reject(new Error("not now"));
  const client = readTogether({ send } as unknown as TableClient);
  const ends = await Promise.allSettled([client.send(get("1")), client.send(get("2"))]);
  expect(ends).toMatchObject([{ reason: { message: "not now" } }, { reason: { message: "not now" } }]);
});
