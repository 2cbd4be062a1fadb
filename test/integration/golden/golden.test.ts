import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { examine, lineOf } from "../../../shared/domain/doctor/examine.ts";
import { readSessionForDoctor } from "../../../shared/domain/doctor/read.ts";
import { loadItems, loadObjects, type Golden } from "../../golden/items.ts";
import { recordGolden } from "../../golden/recording.ts";
import { unlimit, untilRest } from "../../golden/resume.ts";
import { scenarios } from "../../golden/scenarios.ts";
import { startGolden, type World } from "../../golden/world.ts";
import { says } from "../../support/engine.ts";
import { scriptedModel } from "../../support/fakes.ts";

const folder = resolve(import.meta.dirname, "../../golden");
const files = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => readdirSync(join(folder, name)).map((file) => join(name, file)))
  .filter((file) => file.endsWith(".json"));

let world: World | null = null;
afterEach(async () => {
  await world?.engine.stop();
  world = null;
});

const model = () => scriptedModel([() => says("Resumed.")]);

/** A new engine over what an older one left, at the moment at which it left it. */
async function load(golden: Golden, answering: ReturnType<typeof model>): Promise<World> {
  const { engine } = (world = await startGolden(answering, `resume ${golden.name}`));
  engine.clock.advance(golden.now - engine.clock.now());
  await loadItems(engine.deps.table, golden.items);
  await loadObjects(engine.objects, golden.objects);
  return world;
}

async function wrong({ engine: { deps, clock } }: World, { key }: Golden): Promise<string[]> {
  const found = await readSessionForDoctor(deps, key);
  if (!found) throw new Error("the session is not there");
  return examine(found, { now: clock.now() }).map(lineOf);
}

const endings = async ({ engine }: World, { key }: Golden) =>
  (await engine.log(key)).flatMap((row) =>
    row.kind === "event" && row.type === "turn.ended" ? [row.data.reason] : [],
  );

describe.each(files)("%s", (file) => {
  const golden = JSON.parse(readFileSync(join(folder, file), "utf8")) as Golden;

  test("is sound, answers as it did, goes on to the end of what it was doing, and takes the next prompt", async () => {
    const answering = model();
    const loaded = await load(golden, answering);
    expect(await wrong(loaded, golden)).toEqual([]);
    expect(await loaded.answers(golden.key)).toEqual(golden.answers);
    await unlimit(loaded, golden.key);
    await untilRest(loaded, golden.key);
    expect(await wrong(loaded, golden)).toEqual([]);
    const before = await endings(loaded, golden);
    await loaded.driver.ask(golden.key, "The next prompt", "request-next");
    const rest = await untilRest(loaded, golden.key);
    expect(await wrong(loaded, golden)).toEqual([]);
    expect(rest).toMatchObject({ status: "idle", queue: [], pending_calls: 0 });
    const after = await endings(loaded, golden);
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.at(-1)).toBe("completed");
    expect(JSON.stringify(answering.requests.at(-1)?.messages)).toContain("The next prompt");
  });
});

test("every scenario is recorded in some release", () => {
  const recorded = new Set(files.map((file) => file.split("/").at(-1)));
  expect(scenarios.filter(({ name }) => !recorded.has(`${name}.json`))).toEqual([]);
});

test("a scenario that is recorded again is the same to the byte", async () => {
  const [scenario] = scenarios.filter(({ name }) => name === "queue");
  if (!scenario) throw new Error("no such scenario");
  const [one, other] = [await recordGolden("v0.0", scenario), await recordGolden("v0.0", scenario)];
  expect(JSON.stringify(other)).toBe(JSON.stringify(one));
});
