import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import * as lib from "@aws-sdk/lib-dynamodb";
import { startTestTable, type TestTable } from "../../support/test-table.ts";
import { noBias, RandomFaults } from "../kernel/faults.ts";
import { Random } from "../kernel/random.ts";
import { makePasts, restore } from "../run/past.ts";
import { randomScenario } from "../world/scenario.ts";
import { Stage } from "../world/stage.ts";
import { World } from "../world/world.ts";

interface Recorded {
  name: string;
  input: unknown;
  answer: unknown;
  error: { name: string; reasons: string[] } | null;
}

const tenantOf = (seed: number) => `ten_${String(seed).padStart(26, "A")}`;
const sessionOf = (seed: number) => `${String(seed).padStart(8, "0")}-0000-4000-8000-000000000000`;

const errorOf = (error: unknown) => {
  const { name, CancellationReasons = [] } = error as { name: string; CancellationReasons?: { Code: string }[] };
  return { name, reasons: CancellationReasons.map(({ Code }) => Code) };
};

/** What the engine asked of the table in a schedule, and what it was answered; the rows that were there before first. */
async function record(stage: Stage, seed: number): Promise<Recorded[]> {
  const random = new Random(seed);
  const scenario = { ...randomScenario(random), warm: false, realBeats: true };
  const one = { ...scenario, scripts: scenario.scripts.slice(0, 1) };
  const cast = {
    tenant_id: tenantOf(seed),
    user_id: `usr_${String(1).padStart(26, "0")}`,
    sessions: [sessionOf(seed)],
    firstId: 10_000,
  };
  const faults = new RandomFaults({ probability: 0.02, most: 5, crashChances: new Map(), skews: false, bias: noBias });
  const pasts = await makePasts(stage);
  const world = new World(stage.deps, random, cast, one, faults, false);
  stage.play(world);
  restore(pasts, world);
  const recorded: Recorded[] = [...world.table.rows.itemsOf(null)].map((Item) => ({
    name: "PutCommand",
    input: { TableName: "sandbox", Item },
    answer: {},
    error: null,
  }));
  world.table.recorder = (name, input, answer) => {
    try {
      const given = answer();
      recorded.push({ name, input, answer: structuredClone(given), error: null });
      return given;
    } catch (error) {
      recorded.push({ name, input, answer: null, error: errorOf(error) });
      throw error;
    }
  };
  world.begin();
  await world.kernel.run(() => world.isAtRest);
  return recorded;
}

type AnyCommand = new (input: unknown) => Parameters<DynamoDBDocumentClient["send"]>[0];

/** What matters of an answer: neither the service's metadata nor what nobody asked for. */
function answerOf(answer: unknown) {
  const { Item, Items, Count, Attributes, LastEvaluatedKey } = answer as Record<string, unknown>;
  return JSON.parse(JSON.stringify({ Item, Items, Count, Attributes, LastEvaluatedKey })) as unknown;
}

describe("the table in memory", () => {
  let table: TestTable;
  const stage = new Stage();

  beforeAll(async () => {
    table = await startTestTable();
  });

  afterAll(() => table.stop());

  test.each([1, 2, 4])("answers as the embedded table does: all of schedule %i", async (seed) => {
    const client = DynamoDBDocumentClient.from(table.client, { marshallOptions: { removeUndefinedValues: true } });
    const recorded = await record(stage, seed);
    expect(recorded.length).toBeGreaterThan(20);
    for (const { name, input, answer, error } of recorded) {
      const Command = (lib as unknown as Record<string, AnyCommand>)[name] as AnyCommand;
      const asked = client.send(new Command({ ...(input as object), TableName: table.tableName }));
      const given = await asked.then(
        (found) => ({ answer: answerOf(found), error: null }),
        (failure: unknown) => ({ answer: null, error: errorOf(failure) }),
      );
      const expected = { answer: answer === null ? null : answerOf(answer), error };
      expect({ name, input, ...given }).toEqual({ name, input, ...expected });
    }
  });
});
