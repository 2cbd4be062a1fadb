import { DeleteItemCommand, PutItemCommand, UpdateItemCommand, type AttributeValue } from "@aws-sdk/client-dynamodb";
import { failureOf, keyOf, put, type Row, type Subject } from "./subject.ts";

const item: Row = {
  ...keyOf("condition"),
  text: { S: "grün and more" },
  count: { N: "7.50" },
  bytes: { B: new Uint8Array([1, 2, 3]) },
  tags: { SS: ["x", "y"] },
  ports: { NS: ["80", "443"] },
  list: { L: [{ S: "x" }, { N: "1" }, { M: { a: { S: "b" } } }] },
  document: { M: { inside: { M: { flag: { BOOL: true } } }, side: { S: "o" } } },
  nothing: { NULL: true },
};

type Case = [expression: string, values: Record<string, AttributeValue>, holds: boolean];

const cases: Case[] = [
  ["attribute_exists(#text)", {}, true],
  ["attribute_exists(absent)", {}, false],
  ["attribute_not_exists(absent)", {}, true],
  ["attribute_not_exists(nothing)", {}, false],
  ["attribute_exists(#document.inside.flag)", {}, true],
  ["attribute_not_exists(#document.inside.nowhere)", {}, true],
  ["attribute_type(#list, :v)", { ":v": { S: "L" } }, true],
  ["attribute_type(nothing, :v)", { ":v": { S: "NULL" } }, true],
  ["attribute_type(#count, :v)", { ":v": { S: "S" } }, false],
  ["begins_with(#text, :v)", { ":v": { S: "grü" } }, true],
  ["begins_with(#text, :v)", { ":v": { S: "green" } }, false],
  ["begins_with(bytes, :v)", { ":v": { B: new Uint8Array([1, 2]) } }, true],
  ["contains(#text, :v)", { ":v": { S: "and" } }, true],
  ["contains(tags, :v)", { ":v": { S: "y" } }, true],
  ["contains(tags, :v)", { ":v": { S: "z" } }, false],
  ["contains(ports, :v)", { ":v": { N: "443.0" } }, true],
  ["contains(#list, :v)", { ":v": { N: "1" } }, true],
  ["contains(#list, :v)", { ":v": { S: "1" } }, false],
  ["contains(bytes, :v)", { ":v": { B: new Uint8Array([2, 3]) } }, true],
  ["size(#list) = :v", { ":v": { N: "3" } }, true],
  ["size(tags) > :v", { ":v": { N: "1" } }, true],
  ["size(bytes) = :v", { ":v": { N: "3" } }, true],
  ["size(#document) = :v", { ":v": { N: "2" } }, true],
  ["size(absent) = :v", { ":v": { N: "0" } }, false],
  ["#count = :v", { ":v": { N: "7.5" } }, true],
  ["#count > :v", { ":v": { N: "7.49" } }, true],
  ["#count < :v", { ":v": { N: "10" } }, true],
  ["#count > :v", { ":v": { N: "-100" } }, true],
  ["#count = :v", { ":v": { S: "7.5" } }, false],
  ["#count <> :v", { ":v": { S: "7.5" } }, true],
  ["absent = :v", { ":v": { S: "x" } }, false],
  ["absent <> :v", { ":v": { S: "x" } }, true],
  ["absent < :v", { ":v": { S: "x" } }, false],
  ["NOT absent = :v", { ":v": { S: "x" } }, true],
  ["#text > :v", { ":v": { S: "grz" } }, true],
  ["bytes >= :v", { ":v": { B: new Uint8Array([1, 2]) } }, true],
  ["#count BETWEEN :v AND :w", { ":v": { N: "7" }, ":w": { N: "8" } }, true],
  ["#count IN (:v, :w)", { ":v": { N: "1" }, ":w": { N: "7.500" } }, true],
  ["#count IN (:v)", { ":v": { N: "1" } }, false],
  ["tags = :v", { ":v": { SS: ["y", "x"] } }, true],
  ["tags = :v", { ":v": { SS: ["y"] } }, false],
  ["#list = :v", { ":v": { L: [{ S: "x" }, { N: "1.0" }, { M: { a: { S: "b" } } }] } }, true],
  ["#document.inside = :v", { ":v": { M: { flag: { BOOL: true } } } }, true],
  ["#document.inside = :v", { ":v": { M: { flag: { BOOL: false } } } }, false],
  ["#document.side = :v OR absent = :v", { ":v": { S: "o" } }, true],
  ["#document.side = :v AND absent = :v", { ":v": { S: "o" } }, false],
  ["#list[2].a = :v", { ":v": { S: "b" } }, true],
  [
    "(attribute_exists(#text) OR #count = :v) AND NOT contains(tags, :w)",
    { ":v": { N: "0" }, ":w": { S: "x" } },
    false,
  ],
];

const names = { "#text": "text", "#count": "count", "#list": "list", "#document": "document" };

export function conditionContract(subject: Subject): void {
  const TableName = subject.tableName;
  beforeAll(() => put(subject, item));

  function guarded(expression: string, values: Record<string, AttributeValue>): Promise<unknown> {
    const used = Object.entries(names).filter(([name]) => expression.includes(name));
    const command = new PutItemCommand({
      TableName,
      Item: item,
      ConditionExpression: expression,
      ...(used.length > 0 && { ExpressionAttributeNames: Object.fromEntries(used) }),
      ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
    });
    return subject.client.send(command);
  }

  test.each(cases)("%s with %j: %s", async (expression, values, holds) => {
    if (holds) await guarded(expression, values);
    else expect((await failureOf(guarded(expression, values))).name).toBe("ConditionalCheckFailedException");
  });

  test("gives the item that failed a condition only when asked for it", async () => {
    await put(subject, { ...keyOf("all-old"), owner: { S: "first" } });
    const write = {
      TableName,
      ConditionExpression: "attribute_not_exists(pk)",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    } as const;
    const Key = keyOf("all-old");
    const failures = [
      await failureOf(subject.client.send(new PutItemCommand({ ...write, Item: Key }))),
      await failureOf(subject.client.send(new UpdateItemCommand({ ...write, Key }))),
      await failureOf(subject.client.send(new DeleteItemCommand({ ...write, Key }))),
    ];
    for (const failure of failures) {
      expect(failure).toMatchObject({
        name: "ConditionalCheckFailedException",
        message: "The conditional request failed",
      });
      expect(failure["Item"]).toEqual({ ...Key, owner: { S: "first" } });
    }
    const silent = await failureOf(guarded("attribute_not_exists(pk)", {}));
    expect(silent["Item"]).toBeUndefined();
  });

  test("names the reserved word, the unknown value and the syntax error in a refused expression", async () => {
    const reserved = await failureOf(guarded("status = :v", { ":v": { S: "x" } }));
    expect(reserved).toMatchObject({
      name: "ValidationException",
      message: "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status",
    });
    const undefinedValue = await failureOf(guarded("tags = :absent", { ":v": { S: "x" } }));
    expect(undefinedValue.message).toBe(
      "Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :absent",
    );
    const unused = await failureOf(guarded("attribute_exists(pk)", { ":v": { S: "x" } }));
    expect(unused.message).toBe("Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}");
    const syntax = await failureOf(guarded("pk =", {}));
    expect(syntax.message).toContain("Invalid ConditionExpression: Syntax error");
  });
}
