import type { Table } from "../../shared/data/service.ts";

interface Command {
  constructor: { name: string };
}

const writes = /^(Put|Update|Delete|TransactWrite|BatchWrite)Command$/;

export interface DyingTable {
  table: Table;
  /** Resolves when the process is dead. */
  died: Promise<void>;
}

/**
 * The table as a process has it that dies at its n-th write: `before` it is sent, or `after` it was done and before anybody
 * hears of it. From then on nothing that the process asks is answered.
 */
export function dyingTable(table: Table, writeNumber: number, moment: "before" | "after"): DyingTable {
  let count = 0;
  let isDead = false;
  let die = () => {};
  const died = new Promise<void>((resolve) => (die = resolve));
  const silence = () => {
    isDead = true;
    die();
    return new Promise<never>(() => {});
  };
  const client = new Proxy(table.client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return async (command: Command, ...rest: unknown[]) => {
        if (isDead) return silence();
        const isLast = writes.test(command.constructor.name) && (count += 1) === writeNumber;
        if (isLast && moment === "before") return silence();
        const answer = await (value as (...args: unknown[]) => Promise<unknown>).call(target, command, ...rest);
        return isLast || isDead ? silence() : answer;
      };
    },
  });
  return { table: { client, name: table.name }, died };
}
