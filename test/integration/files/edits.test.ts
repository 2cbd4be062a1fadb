import { readConversation } from "../../../shared/domain/conversation/conversation.ts";
import { deleteFile, moveFile, writeFile, type FileDeps } from "../../../shared/domain/file/files.ts";
import type { SessionKey } from "../../../shared/domain/timeline/row.ts";
import { AppError } from "../../../shared/errors.ts";
import { fakeDoor, scriptedModel } from "../../support/fakes.ts";
import { fileAnswers } from "../../support/file-answers.ts";
import { calls, says, startEngine, type Engine } from "../../support/engine.ts";
import { runningSandbox } from "../../support/running-sandbox.ts";
import { turnDriver } from "../../support/turn-driver.ts";

let engine: Engine;
let model: ReturnType<typeof scriptedModel>;
let door: ReturnType<typeof fakeDoor>;
beforeEach(async () => {
  model = scriptedModel([() => says("Hello."), () => says("I see.")]);
  engine = await startEngine(model);
  door = fakeDoor({ ...fileAnswers });
});
afterEach(() => engine.stop());

const { ask } = turnDriver(() => engine);
const deps = (): FileDeps => ({ ...engine.deps, door });
const write = (path: string) => ({ path, content: "x", encoding: "utf8" as const, if_hash: "*" as const });
const editor = (key: { user_id: string }, request_id: string | null = null) => ({ user_id: key.user_id, request_id });
const edited = async (key: SessionKey) =>
  (await engine.log(key)).filter((row) => row.kind === "event" && row.type === "files.edited");
const shown = (at: number) => JSON.stringify(model.requests[at]?.messages);

async function afterATurn() {
  const key = await engine.session();
  await ask(key, "Hi");
  await engine.work();
  // Whatever the first turn started: this one answers.
  const { epoch = 0 } = (await readConversation(engine.deps.table, key)) ?? {};
  await runningSandbox(engine.deps, key, { epoch: epoch + 1 });
  return key;
}

test("what a person did to files is told to the model in its next request, once for the same, after what it had seen", async () => {
  const key = await afterATurn();
  await writeFile(deps(), key, editor(key), write("src/a.ts"));
  await writeFile(deps(), key, editor(key), write("src/a.ts"));
  await deleteFile(deps(), key, editor(key), { path: 'odd "name"]\n', recursive: false });
  await moveFile(deps(), key, editor(key), { from: "b", to: "c", overwrite: false });
  expect(await edited(key)).toHaveLength(3);
  await ask(key, "Go on");
  await engine.work();
  expect(shown(0)).not.toContain("Meanwhile the user");
  expect(shown(1)).toContain("Meanwhile the user wrote");
  const [before = "", after = ""] = shown(1).split("Go on");
  expect(before).toContain("src/a.ts");
  expect(before).toContain('odd \\\\\\"name\\\\\\"]\\\\n');
  expect(after).not.toContain("Meanwhile");
  // The model was asked anew: the same edit is news again.
  await writeFile(deps(), key, editor(key), write("src/a.ts"));
  expect(await edited(key)).toHaveLength(4);
});

test("before its first answer the model knows of no file: nothing is told, nothing is written", async () => {
  const key = await engine.session();
  await runningSandbox(engine.deps, key);
  await writeFile(deps(), key, editor(key), write("a"));
  expect(await engine.log(key)).toEqual([]);
});

test("an edit while the model is being asked is told in the step after", async () => {
  model = scriptedModel([
    async function* () {
      await writeFile(deps(), edit.key, editor(edit.key), write("late.ts"));
      await writeFile(deps(), edit.key, editor(edit.key), write("late.ts"));
      yield* calls({ id: "t1" });
    },
    () => says("Done."),
  ]);
  await engine.stop();
  engine = await startEngine(model);
  const edit = { key: await engine.session() };
  await ask(edit.key, "Build");
  await runningSandbox(engine.deps, edit.key, { epoch: 7 });
  await engine.work();
  expect(await edited(edit.key)).toHaveLength(2);
});

test("the same request_id does it once and answers the same; with another body it is refused", async () => {
  const key = await afterATurn();
  const first = await writeFile(deps(), key, editor(key, "r1"), write("a"));
  const before = door.asked.length;
  expect(await writeFile(deps(), key, editor(key, "r1"), write("a"))).toEqual(first);
  expect(door.asked).toHaveLength(before);
  await expect(writeFile(deps(), key, editor(key, "r1"), write("b"))).rejects.toMatchObject({
    code: "idempotency_mismatch",
  });
});

test("what the sandbox refuses is told to nobody, and remembered for nobody", async () => {
  const key = await afterATurn();
  door.answers["file.write"] = () => {
    throw new AppError("file_conflict", undefined, { details: { current: null } });
  };
  const head = (await engine.log(key)).length;
  await expect(writeFile(deps(), key, editor(key, "r2"), write("a"))).rejects.toMatchObject({ code: "file_conflict" });
  expect(await engine.log(key)).toHaveLength(head);
  door.answers["file.write"] = fileAnswers["file.write"] ?? (() => null);
  expect(await writeFile(deps(), key, editor(key, "r2"), write("a"))).toMatchObject({ path: "a" });
});

test("a path that is none never reaches the sandbox, a foreign session is not found", async () => {
  const key = await afterATurn();
  for (const path of ["../x", "/etc/passwd", ".git/config", "a//b", "a\0"]) {
    expect(() => writeFile(deps(), key, editor(key), write(path))).toThrow(AppError);
  }
  const foreign = { tenant_id: "ten_other", session_id: key.session_id };
  await expect(writeFile(deps(), foreign, editor(key), write("a"))).rejects.toMatchObject({ code: "not_found" });
  expect(door.asked).toEqual([]);
});
