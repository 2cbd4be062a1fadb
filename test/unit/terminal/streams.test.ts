import { InputOrder } from "../../../containers/sandbox/src/supervisor/terminal/input-order.ts";
import { OutputFlow } from "../../../containers/sandbox/src/supervisor/terminal/output-flow.ts";
import { Scrollback } from "../../../containers/sandbox/src/supervisor/terminal/scrollback.ts";
import { lengthOfPiece, piecesByJson, piecesByUnits } from "../../../shared/text-pieces.ts";

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const mixed = 'aä漢🦜\u0001\u001b\r\n"\\'.repeat(5000);

/** Holds half of a surrogate pair. */
const isCut = (text: string) => /\p{Surrogate}/u.test(text);

describe("pieces", () => {
  it.each([1, 2, 3, 7, 100, 16_384])("of %i units make up the text and cut no character", (most) => {
    const pieces = piecesByUnits(mixed, most);
    expect(pieces.join("")).toBe(mixed);
    expect(most === 1 || pieces.every((piece) => !isCut(piece) && piece.length <= most)).toBe(true);
  });

  it("by JSON are within their bytes, whatever the text holds, and as long as that allows", () => {
    for (const text of [mixed, "\u0001".repeat(50_000), "x".repeat(50_000), "🦜".repeat(30_000)]) {
      const pieces = piecesByJson(text, 4096, 10);
      expect(pieces.map(({ data }) => data).join("")).toBe(text);
      expect(pieces.map(({ offset }) => offset - 10)).toEqual(
        pieces.map((_, at) => pieces.slice(0, at).reduce((sum, { data }) => sum + data.length, 0)),
      );
      for (const { data } of pieces.slice(0, -1)) {
        const bytes = Buffer.byteLength(JSON.stringify(data));
        expect(isCut(data)).toBe(false);
        expect(bytes).toBeLessThanOrEqual(4096);
        expect(bytes).toBeGreaterThan(3500);
      }
    }
  });

  it("always go on, also through text that is no text", () => {
    expect(lengthOfPiece("\ud83e".repeat(10), 0, 4)).toBeGreaterThan(0);
    expect(piecesByUnits("\udd9c\udd9c\udd9c", 1).join("")).toBe("\udd9c\udd9c\udd9c");
  });
});

describe("the scrollback", () => {
  it("keeps the newest, to the unit, however it came, and begins on a whole character", () => {
    const kept = new Scrollback(1000);
    let all = "";
    for (let at = 0; at < 400; at += 1) {
      const text = mixed.slice((at * 13) % 700, ((at * 13) % 700) + (at % 37));
      kept.push(text);
      all += text;
      const { offset, data } = kept.from(0);
      expect(data).toBe(all.slice(offset));
      expect(offset).toBe(kept.start);
      expect([1000, 999, all.length]).toContain(data.length);
      expect(kept.from(all.length - 5).data).toBe(all.slice(-5));
    }
    kept.push("y".repeat(5000));
    expect(kept.from(0)).toEqual({ offset: all.length + 4000, data: "y".repeat(1000) });
    expect(kept.from(1e9)).toEqual({ offset: kept.end, data: "" });
  });
});

describe("the flow of output", () => {
  function started(backlog = () => 0) {
    const sent: { offset: number; data: string; at: number }[] = [];
    const calls: string[] = [];
    const flow = new OutputFlow({
      send: (frame) => sent.push({ ...frame, at: Date.now() }),
      backlog,
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
    });
    return { flow, sent, calls };
  }

  it("sends the first at once, what comes soon after together, and an echo after a pause at once", () => {
    const { flow, sent } = started();
    flow.push("a");
    expect(sent).toHaveLength(1);
    for (const text of ["b", "c", "d"]) flow.push(text);
    jest.advanceTimersByTime(40);
    expect(sent.map(({ offset, data }) => [offset, data])).toEqual([
      [0, "a"],
      [1, "bcd"],
    ]);
    jest.advanceTimersByTime(100);
    flow.push("e");
    expect(sent.at(-1)).toMatchObject({ offset: 4, data: "e" });
  });

  it("holds a flood back at its source, and lets it go on", () => {
    const { flow, sent, calls } = started();
    while (calls.length === 0) flow.push("x".repeat(16_000));
    expect(sent).toHaveLength(1);
    jest.advanceTimersByTime(1000);
    expect(calls).toEqual(["pause", "resume"]);
    expect(sent.reduce((sum, { data }) => sum + data.length, 0)).toBe(64_000);
    expect(Math.max(...sent.map(({ data }) => data.length))).toBeLessThanOrEqual(16_384);
  });

  it("waits while the link is full, and at the end gives up what does not fit", () => {
    let waiting = 1_000_000;
    const { flow, sent, calls } = started(() => waiting);
    flow.push("x".repeat(40_000));
    jest.advanceTimersByTime(15_000);
    expect([sent.length, calls]).toEqual([0, ["pause"]]);
    waiting = 0;
    jest.advanceTimersByTime(40);
    expect(sent).toHaveLength(1);
    waiting = 1_000_000;
    flow.end();
    expect(sent).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("the order of input", () => {
  it("passes what has no number on at once, and puts each writer's numbers in order", () => {
    const written: string[] = [];
    const order = new InputOrder((data) => written.push(data));
    order.push("a", 1, "2");
    order.push("b", undefined, "!");
    order.push("b", 0, "x");
    order.push("a", 0, "1");
    order.push("a", 0, "again");
    order.push("a", 2, "3");
    expect(written.join("")).toBe("!x123");
    expect(jest.getTimerCount()).toBe(0);
  });

  it("waits for a gap fifteen seconds, or until too much waits, and never types in another order", () => {
    const written: number[] = [];
    const order = new InputOrder((data) => written.push(Number(data)));
    order.push("a", 5, "5");
    order.push("a", 7, "7");
    jest.advanceTimersByTime(14_999);
    expect(written).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(written).toEqual([5]);
    jest.advanceTimersByTime(15_000);
    expect(written).toEqual([5, 7]);
    for (const late of [3, 3, 6, 5, 7]) order.push("a", late, String(late));
    expect(written.splice(0)).toEqual([5, 7]);
    for (let n = 9; n < 9 + 300; n += 1) order.push("a", n, String(n));
    expect(written).toHaveLength(300);
    expect(written).toEqual(written.toSorted((a, b) => a - b));
  });

  it("forgets the writers of long ago, and waits for nobody when it is closed", () => {
    const order = new InputOrder(() => undefined);
    for (let at = 0; at < 1000; at += 1) order.push(`w${at}`, 3, "x");
    expect(jest.getTimerCount()).toBe(32);
    order.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});
