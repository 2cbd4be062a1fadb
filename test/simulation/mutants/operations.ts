import type { Mutant } from "./mutant.ts";

const operations = "shared/domain/checkpoint/operation.decisions.ts";

/** What a person wants of the workspace between turns. */
export const operationMutants: Mutant[] = [
  {
    id: "operation-ends-twice",
    file: operations,
    find: "  const over = { ...change, operation: null, ",
    replace:
      "  const again = operatedOf(conversation)?.id === id ? null : JSON.stringify(operation);\n  const over = { ...change, operation: again, ",
    why: "a restore that is reported again is a second one",
    expect: "caught",
  },
  {
    id: "operation-without-memory",
    file: "shared/domain/checkpoint/begin-operation.ts",
    find: "extra: (entities) => remember(entities, key, request, begun, now)",
    replace: "extra: () => []",
    why: "a restore that is asked for again, since no answer came, is done again",
    expect: "caught",
  },
  {
    id: "prompts-do-not-wait-for-a-restore",
    file: operations,
    find: '  return operation !== null && operation.kind !== "checkpoint";',
    replace: "  return false;",
    why: "a turn begins on files that are set back under it",
    expect: "caught",
  },
  {
    id: "held-prompts-never-begin",
    file: operations,
    find: "  if (next && operation.starts) {",
    replace: "  if (next && operation.starts && false) {",
    why: "a prompt that came while the files were set back waits for good",
    expect: "caught",
  },
  {
    id: "operation-dies-with-its-container",
    file: "shared/agent/serve-operation.ts",
    find: "  const isOver = container === null && (await endWithout(deps, key, operation));",
    replace: "  const isOver = container === null && operation.id !== deps.turnModel;",
    why: "a restore whose sandbox is gone never ends",
    expect: "caught",
  },
  {
    id: "wish-is-never-served",
    file: "shared/agent/serve-wish.ts",
    find: "container: await ensureContainer(deps, key)",
    replace: "container: await noticeLoss(deps, key)",
    why: "who wants a sandbox without a turn waits for nothing",
    expect: "caught",
  },
  {
    id: "a-turn-ends-the-wish",
    file: "shared/domain/turn/turn.decisions.ts",
    find: "due_at: conversation.container_wanted_until === undefined ? null : now + wakeUpGraceMs,",
    replace: "due_at: null,",
    why: "who waits for a sandbox when a turn ends is forgotten if the look after it is lost",
    expect: "caught",
  },
];
