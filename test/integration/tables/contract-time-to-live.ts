import { DescribeTimeToLiveCommand, UpdateTimeToLiveCommand } from "@aws-sdk/client-dynamodb";
import { tableKeys } from "../../../shared/data/table.ts";
import { failureOf, keyOf, put, read, type Subject } from "./subject.ts";

export function timeToLiveContract(subject: Subject): void {
  const TableName = subject.tableName;
  const specification = { Enabled: true, AttributeName: tableKeys.timeToLive };

  async function status() {
    const answer = await subject.client.send(new DescribeTimeToLiveCommand({ TableName }));
    return answer.TimeToLiveDescription;
  }

  test("is off, is switched on once, and tells its attribute", async () => {
    expect(await status()).toEqual({ TimeToLiveStatus: "DISABLED" });
    const enable = new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: specification });
    expect((await subject.client.send(enable)).TimeToLiveSpecification).toEqual(specification);
    expect(await status()).toEqual({ TimeToLiveStatus: "ENABLED", AttributeName: tableKeys.timeToLive });
    const again = await failureOf(subject.client.send(enable));
    expect(again).toMatchObject({ name: "ValidationException", message: "TimeToLive is already enabled" });
  });

  test("leaves items alone that expire later or have no number there", async () => {
    const later = { N: String(Math.floor(Date.now() / 1000) + 3600) };
    await put(subject, { ...keyOf("ttl", "later"), [tableKeys.timeToLive]: later });
    await put(subject, { ...keyOf("ttl", "text"), [tableKeys.timeToLive]: { S: "1" } });
    expect(await read(subject, keyOf("ttl", "later"))).toBeDefined();
    expect(await read(subject, keyOf("ttl", "text"))).toBeDefined();
  });
}
