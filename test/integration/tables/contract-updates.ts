import { UpdateItemCommand, type UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import { failureOf, keyOf, put, read, type Row, type Subject } from "./subject.ts";

export function updateContract(subject: Subject): void {
  function update(pk: string, input: Omit<UpdateItemCommandInput, "TableName" | "Key">) {
    return subject.client.send(new UpdateItemCommand({ TableName: subject.tableName, Key: keyOf(pk), ...input }));
  }

  test("creates the item, and returns what was asked for", async () => {
    const first = await update("returns", {
      UpdateExpression: "SET a = :a, b = :b",
      ExpressionAttributeValues: { ":a": { S: "1" }, ":b": { S: "2" } },
      ReturnValues: "ALL_NEW",
    });
    expect(first.Attributes).toEqual({ ...keyOf("returns"), a: { S: "1" }, b: { S: "2" } });
    const change = { UpdateExpression: "SET a = :a", ExpressionAttributeValues: { ":a": { S: "3" } } };
    expect((await update("returns", { ...change, ReturnValues: "UPDATED_OLD" })).Attributes).toEqual({ a: { S: "1" } });
    expect((await update("returns", { ...change, ReturnValues: "UPDATED_NEW" })).Attributes).toEqual({ a: { S: "3" } });
    expect((await update("returns", { ...change, ReturnValues: "ALL_OLD" })).Attributes).toMatchObject({
      b: { S: "2" },
    });
  });

  test("50 parallel ADDs make 50", async () => {
    const add = { UpdateExpression: "ADD hits :one", ExpressionAttributeValues: { ":one": { N: "1" } } };
    await Promise.all(Array.from({ length: 50 }, () => update("counter", add)));
    expect(await read(subject, keyOf("counter"))).toMatchObject({ hits: { N: "50" } });
  });

  test("30 racing updates under one condition have one winner", async () => {
    await put(subject, { ...keyOf("race"), version: { N: "0" } });
    const attempts = Array.from({ length: 30 }, (_, at) =>
      update("race", {
        UpdateExpression: "SET version = version + :one, winner = :who",
        ConditionExpression: "version = :zero",
        ExpressionAttributeValues: { ":one": { N: "1" }, ":zero": { N: "0" }, ":who": { N: String(at) } },
      }),
    );
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    expect(await read(subject, keyOf("race"))).toMatchObject({ version: { N: "1" } });
  });

  test("appends to lists, keeps existing values, adds and subtracts numbers", async () => {
    const step = (text: string) => ({
      UpdateExpression:
        "SET trail = list_append(if_not_exists(trail, :none), :next), born = if_not_exists(born, :text), n = if_not_exists(n, :zero) - :quarter",
      ExpressionAttributeValues: {
        ":none": { L: [] },
        ":next": { L: [{ S: text }] },
        ":text": { S: text },
        ":zero": { N: "0" },
        ":quarter": { N: "0.25" },
      },
    });
    await update("append", step("one"));
    await update("append", step("two"));
    const after = await read(subject, keyOf("append"));
    expect(after).toMatchObject({ trail: { L: [{ S: "one" }, { S: "two" }] }, born: { S: "one" } });
    expect(Number(after?.["n"]?.N)).toBe(-0.5);
  });

  test("adds to and deletes from sets, removes attributes and members", async () => {
    const item: Row = {
      ...keyOf("sets"),
      tags: { SS: ["a", "b"] },
      list: { L: [{ S: "0" }, { S: "1" }, { S: "2" }] },
      gone: { S: "x" },
    };
    await put(subject, item);
    await update("sets", {
      UpdateExpression: "ADD tags :more REMOVE gone, #list[1]",
      ExpressionAttributeNames: { "#list": "list" },
      ExpressionAttributeValues: { ":more": { SS: ["c"] } },
    });
    await update("sets", {
      UpdateExpression: "DELETE tags :less",
      ExpressionAttributeValues: { ":less": { SS: ["a"] } },
    });
    const after = await read(subject, keyOf("sets"));
    expect(after?.["tags"]?.SS?.sort()).toEqual(["b", "c"]);
    expect(after).toMatchObject({ list: { L: [{ S: "0" }, { S: "2" }] } });
    expect(after).not.toHaveProperty("gone");
  });

  test("sets inside documents, and refuses a path whose parent is missing", async () => {
    await put(subject, { ...keyOf("nested"), state: { M: { calls: { M: {} } } } });
    const set = (path: string) =>
      update("nested", {
        UpdateExpression: `SET ${path} = :v`,
        ExpressionAttributeNames: { "#state": "state", "#call": "call-1" },
        ExpressionAttributeValues: { ":v": { S: "done" } },
      });
    await set("#state.calls.#call");
    expect(await read(subject, keyOf("nested"))).toMatchObject({
      state: { M: { calls: { M: { "call-1": { S: "done" } } } } },
    });
    const failure = await failureOf(set("#state.absent.#call"));
    expect(failure).toMatchObject({
      name: "ValidationException",
      message: "The document path provided in the update expression is invalid for update",
    });
  });

  test("refuses to change a key, to use a missing operand and to overlap paths", async () => {
    const values = { ExpressionAttributeValues: { ":v": { S: "x" } } };
    const key = await failureOf(update("refused", { UpdateExpression: "SET pk = :v", ...values }));
    expect(key.message).toBe(
      "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
    );
    const missing = await failureOf(update("refused", { UpdateExpression: "SET a = b" }));
    expect(missing.message).toBe("The provided expression refers to an attribute that does not exist in the item");
    const twice = await failureOf(update("refused", { UpdateExpression: "SET a = :v, a = :v", ...values }));
    expect(twice.message).toContain("Two document paths overlap with each other");
    expect(await read(subject, keyOf("refused"))).toBeUndefined();
  });

  test("refuses an update that makes the item too large", async () => {
    await put(subject, { ...keyOf("grow"), a: { S: "x".repeat(300_000) } });
    const failure = await failureOf(
      update("grow", {
        UpdateExpression: "SET b = :v",
        ExpressionAttributeValues: { ":v": { S: "y".repeat(200_000) } },
      }),
    );
    expect(failure).toMatchObject({
      name: "ValidationException",
      message: "Item size to update has exceeded the maximum allowed size",
    });
    expect(await read(subject, keyOf("grow"))).not.toHaveProperty("b");
  });
}
