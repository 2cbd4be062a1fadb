import type { FunctionHost, InvokeOutcome } from "../../../infra/local/contract.ts";

export type Handler = (event: never) => InvokeOutcome | Promise<InvokeOutcome>;

export interface FakeFunctions extends FunctionHost {
  /** Every event that the function got, oldest first. */
  events<E>(functionId: string): E[];
  /** The function's n-th event (from 0), once it is there. */
  event<E>(functionId: string, index?: number): Promise<E>;
}

export const returned = (payload: unknown): InvokeOutcome => ({ kind: "returned", payload });
export const ok = (): InvokeOutcome => returned({ statusCode: 200 });

export function fakeFunctions(handlers: Record<string, Handler>): FakeFunctions {
  const events = new Map<string, unknown[]>();
  const waiting: { functionId: string; index: number; resolve(event: unknown): void }[] = [];
  return {
    async invoke(functionId, event) {
      const list = events.get(functionId) ?? [];
      events.set(functionId, list);
      list.push(event);
      for (const waiter of waiting) {
        if (waiter.functionId === functionId && waiter.index === list.length - 1) waiter.resolve(event);
      }
      const handler = handlers[functionId];
      if (!handler) throw new Error(`no function ${functionId}`);
      return handler(event as never);
    },
    events: <E>(functionId: string) => (events.get(functionId) ?? []) as E[],
    event: <E>(functionId: string, index = 0) => {
      const list = events.get(functionId) ?? [];
      if (index < list.length) return Promise.resolve(list[index] as E);
      return new Promise<E>((resolve) =>
        waiting.push({ functionId, index, resolve: resolve as (event: unknown) => void }),
      );
    },
  };
}

/** A promise and its switch. */
export function gate<T = void>(): { opened: Promise<T>; open(value: T): void } {
  let open: (value: T) => void = () => undefined;
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
