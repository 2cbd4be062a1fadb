import type { Context, SQSEvent } from "aws-lambda";
import * as z from "zod";
import { onRecords, type TimeLeft } from "../../../functions/kit/queue.ts";
import { silentLog } from "../../support/fakes.ts";

const Message = z.object({ n: z.number() });
const context = { getRemainingTimeInMillis: () => 1234 } as Context;

const batch = (...bodies: unknown[]) =>
  ({ Records: bodies.map((body, index) => ({ messageId: `m${index}`, body: JSON.stringify(body) })) }) as SQSEvent;

type Run = (message: { n: number }, time: TimeLeft) => Promise<void>;
const handlerOf = (run: Run) =>
  onRecords(
    Message,
    () => ({ log: silentLog }),
    (_, message, time) => run(message, time),
  );

it("reports only what failed", async () => {
  const handler = handlerOf(async ({ n }) => {
    if (n === 2) throw new Error("no");
  });
  expect(await handler(batch({ n: 1 }, { n: 2 }, { n: 3 }), context)).toEqual({
    batchItemFailures: [{ itemIdentifier: "m1" }],
  });
});

it("drops what no retry can mend", async () => {
  const ran: number[] = [];
  const handler = handlerOf(async ({ n }) => void ran.push(n));
  expect(await handler(batch({ n: "one" }, { n: 2 }), context)).toEqual({ batchItemFailures: [] });
  expect(ran).toEqual([2]);
});

it("a record that takes its time does not hold back the others of its batch", async () => {
  const done: number[] = [];
  let finish: () => void = () => undefined;
  const handler = handlerOf(async ({ n }) => {
    if (n === 1) await new Promise<void>((resolve) => (finish = resolve));
    done.push(n);
  });
  const answer = handler(batch({ n: 1 }, { n: 2 }, { n: 3 }), context);
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toEqual([2, 3]);
  finish();
  expect(await answer).toEqual({ batchItemFailures: [] });
});

it("says how much time the invocation has", async () => {
  const times: number[] = [];
  await handlerOf(async (_, { remainingMs }) => void times.push(remainingMs))(batch({ n: 1 }), context);
  expect(times).toEqual([1234]);
});
