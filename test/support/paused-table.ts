import type { Table } from "../../shared/data/service.ts";

interface Command {
  constructor: { name: string };
  input: unknown;
}

/**
 * The same table, of which the first request of a kind (`TransactWriteCommand`) that holds a text waits until `meanwhile`
 * is done: what comes between a verb's reads and its write, without luck.
 */
export function pausedTable(table: Table, kind: string, meanwhile: () => Promise<unknown>, text = ""): Table {
  let isFirst = true;
  const client = new Proxy(table.client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return async (command: Command, ...rest: unknown[]) => {
        if (isFirst && command.constructor.name === kind && JSON.stringify(command.input).includes(text)) {
          isFirst = false;
          await meanwhile();
        }
        return (value as (...args: unknown[]) => Promise<unknown>).call(target, command, ...rest);
      };
    },
  });
  return { client, name: table.name };
}

/** The same table, and the kinds of requests that were sent to it. */
export function countedTable(table: Table): { table: Table; sent: Command[] } {
  const sent: Command[] = [];
  const client = new Proxy(table.client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "send") return value;
      return (command: Command, ...rest: unknown[]) => {
        sent.push(command);
        return (value as (...args: unknown[]) => Promise<unknown>).call(target, command, ...rest);
      };
    },
  });
  return { table: { client, name: table.name }, sent };
}
