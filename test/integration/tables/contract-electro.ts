import { Entity, Service, type EntityConfiguration } from "electrodb";
import { tableKeys } from "../../../shared/data/table.ts";

/** Any client that ElectroDB takes. */
interface ElectroSubject {
  readonly tableName: string;
  readonly client: NonNullable<EntityConfiguration["client"]>;
}

const { gsi1 } = tableKeys.indexes;
const primary = { pk: { field: tableKeys.partitionKey, composite: ["session"] as const } };

/** Two entities in one clustered collection, as the timeline has them. */
function timeline(subject: ElectroSubject) {
  const seq = { type: "number", required: true, padding: { length: 12, char: "0" } } as const;
  const message = new Entity(
    {
      model: { entity: "message", version: "1", service: "contract" },
      attributes: {
        session: { type: "string", required: true },
        seq,
        text: { type: "string" },
        author: { type: "string" },
      },
      indexes: {
        timeline: {
          collection: "timeline",
          type: "clustered",
          ...primary,
          sk: { field: tableKeys.sortKey, composite: ["seq"] },
        },
        byAuthor: {
          index: "gsi1",
          pk: { field: gsi1.partitionKey, composite: ["author"] },
          sk: { field: gsi1.sortKey, composite: ["seq"] },
        },
      },
    },
    { table: subject.tableName, client: subject.client },
  );
  const note = new Entity(
    {
      model: { entity: "note", version: "1", service: "contract" },
      attributes: { session: { type: "string", required: true }, seq, kind: { type: "string" } },
      indexes: {
        timeline: {
          collection: "timeline",
          type: "clustered",
          ...primary,
          sk: { field: tableKeys.sortKey, composite: ["seq"] },
        },
      },
    },
    { table: subject.tableName, client: subject.client },
  );
  return new Service({ message, note }, { table: subject.tableName, client: subject.client });
}

export function electroContract(subject: ElectroSubject): void {
  test("writes a transaction, and hands back the item that stopped the next one", async () => {
    const service = timeline(subject);
    const append = (seq: number, text: string) =>
      service.transaction
        .write(({ message, note }) => [
          message.create({ session: "e1", seq, text, author: "ada" }).commit({ response: "all_old" }),
          note.create({ session: "e1", seq: seq + 1, kind: "turn" }).commit(),
        ])
        .go();
    expect((await append(1, "first")).canceled).toBe(false);
    const second = await append(1, "second");
    expect(second.canceled).toBe(true);
    expect(second.data[0]).toMatchObject({
      rejected: true,
      code: "ConditionalCheckFailed",
      item: { seq: 1, text: "first" },
    });
    expect(second.data[1]).toMatchObject({ rejected: true, code: "ConditionalCheckFailed" });
  });

  test("hands back the item whose condition stopped an update", async () => {
    const { message } = timeline(subject).entities;
    await message.create({ session: "e9", seq: 1, text: "first", author: "eve" }).go();
    const refused = await message
      .patch({ session: "e9", seq: 1 })
      .set({ text: "second" })
      .where(({ author }, { eq }) => eq(author, "bob"))
      .go({ response: "all_new", returnOnConditionCheckFailure: "all_old" });
    expect(refused).toMatchObject({ rejected: true, data: { seq: 1, text: "first" } });
  });

  test("reads a clustered collection from a sequence number on, in pages", async () => {
    const service = timeline(subject);
    for (let seq = 1; seq <= 13; seq += 2) {
      await service.entities.message.create({ session: "e2", seq, text: `m${seq}`, author: "bob" }).go();
      await service.entities.note.create({ session: "e2", seq: seq + 1, kind: "turn" }).go();
    }
    const seqs: number[] = [];
    let cursor: string | null = null;
    const timelineFrom9 = (from: string | null) =>
      service.collections.timeline({ session: "e2" }).gte({ seq: 9 }).go({ cursor: from, limit: 2 });
    do {
      const page: Awaited<ReturnType<typeof timelineFrom9>> = await timelineFrom9(cursor);
      seqs.push(...[...page.data.message, ...page.data.note].map((row) => row.seq).sort((a, b) => a - b));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(seqs).toEqual([9, 10, 11, 12, 13, 14]);
  });

  test("patches under a condition and reads by an index, newest first", async () => {
    const { message } = timeline(subject).entities;
    for (const seq of [1, 2, 10]) await message.create({ session: "e3", seq, text: "draft", author: "cy" }).go();
    await message
      .patch({ session: "e3", seq: 2 })
      .set({ text: "final" })
      .where(({ text }, { eq }) => eq(text, "draft"))
      .go();
    const again = message
      .patch({ session: "e3", seq: 2 })
      .set({ text: "other" })
      .where(({ text }, { eq }) => eq(text, "draft"))
      .go();
    await expect(again).rejects.toMatchObject({ code: 4001 });
    const found = await message.query.byAuthor({ author: "cy" }).go({ order: "desc", limit: 2 });
    expect(found.data.map((row) => [row.seq, row.text])).toEqual([
      [10, "draft"],
      [2, "final"],
    ]);
  });
}
