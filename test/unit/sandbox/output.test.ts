import { ShellOutput } from "../../../containers/sandbox/src/toolbox/shell-output.ts";
import { OutputLimit } from "../../../containers/sandbox/src/toolbox/output-limit.ts";
import { headAndTail, headOf, inlineText, tailOf } from "../../../containers/sandbox/src/supervisor/tools/cut-text.ts";
import { LiveOutput } from "../../../containers/sandbox/src/supervisor/tools/live-output.ts";
import { WholeOutput } from "../../../containers/sandbox/src/supervisor/tools/whole-output.ts";

test("however the bytes are cut, the command's output and exit code come out", () => {
  const raw = "one\n\x1b[31mred\x1b[0m __end_x\n\ntwo\n\n\n__end_marker_7\n";
  for (let size = 1; size <= raw.length; size += 1) {
    let text = "";
    const output = new ShellOutput("__end_marker_", (part) => (text += part));
    let ended = false;
    for (let at = 0; at < raw.length; at += size) ended = output.push(raw.slice(at, at + size));
    expect([text, output.exitCode, ended]).toEqual(["one\nred __end_x\n\ntwo", 7, true]);
  }
});

test("what a dying shell held back is output", () => {
  let text = "";
  const output = new ShellOutput("__end_marker_", (part) => (text += part));
  output.push("last words\n__end_");
  expect(text).toBe("last words");
  output.flush();
  expect(text).toBe("last words\n__end_");
});

test("an endless output keeps its head and its tail", () => {
  const got: string[] = [];
  const limit = new OutputLimit({ text: (text) => got.push(text), skipped: (bytes) => got.push(`<${bytes}>`) }, 20);
  for (let number = 10; number < 40; number += 1) limit.push(`${number}....`);
  limit.end();
  expect(got).toEqual(["10....", "11....", "12....", "<138>", "36....", "37....", "38....", "39...."]);
});

test("the supervisor caps what the toolbox does not", () => {
  const whole = new WholeOutput(4096);
  for (let number = 0; number < 1000; number += 1) whole.push(`line ${number}\n`);
  const bytes = whole.bytes();
  expect(bytes.length).toBeLessThanOrEqual(4096);
  expect(bytes.toString()).toMatch(/^line 0\n[^]*\[\.\.\. \d+ bytes left out \.\.\.\][^]*line 999\n$/);
  whole.skip(5);
  whole.push("end");
  expect(whole.bytes().toString()).toMatch(/left out \.\.\.\]\nend$/);
});

test("text is cut between characters and fits", () => {
  const bytes = Buffer.from("äöü€𝄞".repeat(2000));
  for (const most of [7, 8, 9, 10, 11]) {
    expect(headOf(bytes, most).toString()).not.toContain("\uFFFD");
    expect(tailOf(bytes, most).toString()).not.toContain("\uFFFD");
  }
  expect(Buffer.byteLength(headAndTail(bytes, 1000))).toBeLessThanOrEqual(1000);
  expect(headAndTail(bytes, 1000)).not.toContain("\uFFFD");
  expect(headAndTail(Buffer.from("short"), 1000)).toBe("short");
  const control = inlineText(Buffer.alloc(30_000, 1), 30_000, 100_000);
  expect(Buffer.byteLength(JSON.stringify(control))).toBeLessThanOrEqual(100_000);
});

describe("live output", () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test("a call that ends within a moment sends no frame: its result says it all", () => {
    const frames: unknown[] = [];
    const live = new LiveOutput((frame) => frames.push(frame));
    live.push("done");
    jest.advanceTimersByTime(49);
    live.end();
    jest.advanceTimersByTime(1000);
    expect(frames).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("the first frame after a moment, then one each 250 ms", () => {
    const frames: { offset: number; text: string }[] = [];
    const live = new LiveOutput((frame) => frames.push(frame));
    live.push("a");
    jest.advanceTimersByTime(50);
    live.push("b");
    live.push("c");
    expect(frames).toEqual([{ offset: 0, text: "a" }]);
    jest.advanceTimersByTime(250);
    expect(frames.at(-1)).toEqual({ offset: 1, text: "bc" });
    jest.advanceTimersByTime(1000);
    live.push("d");
    live.push("e");
    live.end();
    expect(frames.slice(2)).toEqual([
      { offset: 3, text: "d" },
      { offset: 4, text: "e" },
    ]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("a flood shows its newest part, each frame within 16 KB, all within 256 KB", () => {
    const frames: { offset: number; text: string }[] = [];
    const live = new LiveOutput((frame) => frames.push(frame));
    for (let round = 0; round < 100; round += 1) {
      live.push("€𝄞".repeat(20_000));
      jest.advanceTimersByTime(250);
    }
    live.end();
    expect(Math.max(...frames.map(({ text }) => Buffer.byteLength(text)))).toBeLessThanOrEqual(16 * 1024);
    expect(frames.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)).toBeLessThanOrEqual(256 * 1024);
    expect(frames.every(({ text }) => !text.includes("\uFFFD") && Buffer.from(text).toString() === text)).toBe(true);
    const offsets = frames.map(({ offset }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  });
});
