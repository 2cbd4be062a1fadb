import { costMicroUsd, factsOf, type BilledTokens } from "../../../shared/config/models.ts";

const october = Date.parse("2026-10-06T23:59:59Z");
const november = Date.parse("2026-11-21T00:00:00Z");
const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
const of = (model: string, tokens: Partial<BilledTokens>): BilledTokens => ({ ...none, model, ...tokens });
const million = 1_000_000;

it.each([
  ["claude-sonnet-5-5", { input_tokens: million }, 2_000_000],
  ["claude-sonnet-5-5", { output_tokens: million }, 10_000_000],
  ["claude-sonnet-5-5", { cache_write_tokens: million }, 2_500_000],
  ["claude-sonnet-5-5", { cache_write_tokens: million, cache_write_1h_tokens: million }, 4_000_000],
  ["claude-sonnet-5-5", { cache_read_tokens: million }, 100_000],
  ["claude-opus-5-5", { input_tokens: million, output_tokens: million }, 24_000_000],
  ["claude-opus-5-5", { cache_read_tokens: million }, 200_000],
  ["claude-haiku-5-5", { input_tokens: 100_000 }, 10_000],
  ["claude-haiku-5-5", { input_tokens: 100_001 }, 50_001],
  ["claude-haiku-5-5", { cache_read_tokens: 100_000, input_tokens: 1, output_tokens: 1000 }, 5000 + 2500 + 1],
  ["rehearsal", { input_tokens: million, output_tokens: million }, 0],
])("%s %j costs %d micro-dollars", (model, tokens, cost) => {
  expect(costMicroUsd(of(model, tokens), november)).toBe(cost);
});

it("keeps the price of the day", () => {
  const read = of("claude-sonnet-5-5", { cache_read_tokens: million });
  expect(costMicroUsd(read, october)).toBe(200_000);
  expect(costMicroUsd(read, november)).toBe(100_000);
});

it("rounds once, half up, to whole micro-dollars", () => {
  // 0.1 micro-dollars a token.
  const haiku = (input_tokens: number) => costMicroUsd(of("claude-haiku-5-5", { input_tokens }), november);
  expect([4, 5, 14, 15].map(haiku)).toEqual([0, 1, 1, 2]);
});

it("says null where it does not know", () => {
  expect(costMicroUsd(of("gpt-9", { input_tokens: 1 }), november)).toBeNull();
  expect(costMicroUsd(of("constructor", { input_tokens: 1 }), november)).toBeNull();
  expect(costMicroUsd(of("claude-sonnet-5-5", { input_tokens: 1 }), 0)).toBeNull();
  expect(costMicroUsd(of("claude-sonnet-5-5", { input_tokens: 1, list_price: false }), november)).toBeNull();
  expect(factsOf("toString")).toBeNull();
});
