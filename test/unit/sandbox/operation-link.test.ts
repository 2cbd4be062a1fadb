import { OperationLink } from "../../../containers/sandbox/src/supervisor/git/operation-link.ts";

const done = async (): Promise<Record<string, unknown>> => ({});

test("says that it works for as long as it does, but not for ever, also where nobody answers", async () => {
  jest.useFakeTimers();
  try {
    const words: unknown[] = [];
    const request = async (frame: unknown) => (words.push(frame), Promise.reject(new Error("no answer")));
    const link = new OperationLink({ request, sendDurable: () => undefined });
    let end: (value: string) => void = () => undefined;
    const working = link.working("chk_1", () => new Promise<string>((resolve) => (end = resolve)));
    await jest.advanceTimersByTimeAsync(119_000);
    expect(words).toHaveLength(3);
    expect(words[0]).toMatchObject({ turn_id: "chk_1", cause: "before", checkpoint: null });
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(words).toHaveLength(20);
    end("done");
    expect(await working).toBe("done");
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test("the last word comes again until it is heard, and nobody waits for that", async () => {
  const kept: unknown[] = [];
  const sendDurable = (frame: unknown): void => void kept.push(frame);
  const merge = { error: { code: "internal" as const, message: "no" } };
  await new OperationLink({ request: done, sendDurable }).lastWord("chk_1", merge);
  expect(kept).toEqual([]);
  const deaf = { request: () => Promise.reject(new Error("no answer")), sendDurable };
  await new OperationLink(deaf).lastWord("chk_1", merge);
  expect(kept).toEqual([expect.objectContaining({ turn_id: "chk_1", cause: "merge", checkpoint: null, merge })]);
});

test("nothing is done for an operation that the platform gave up", async () => {
  const refusing = { request: () => Promise.reject(new Error("conflict")), sendDurable: () => undefined };
  await expect(new OperationLink(refusing).hold("chk_1")).rejects.toMatchObject({ code: "sandbox_unavailable" });
});
