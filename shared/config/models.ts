import type { TokenCounts } from "../protocol/content.ts";

export type Effort = "low" | "medium" | "high" | "xhigh" | "max";

/** What the request builder must know of a model. Source: Anthropic's model pages, November 2026. */
export interface ModelFacts {
  contextTokens: number;
  maxOutputTokens: number;
  /** Accepts `thinking: {type: "adaptive"}` and `output_config.effort`. */
  adaptiveThinking: boolean;
  effort: Effort;
  prices: readonly PriceRow[];
}

/** Nano-dollars per token, so that $0.01 per million tokens is still an integer. */
interface Rates {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
}

interface PriceRow {
  /** Milliseconds since the epoch; the last row that began before the call holds. */
  from: number;
  rates: Rates;
  /** Holds for the whole request once the prompt (with everything read from and written to the cache) is longer. */
  longPrompt?: { aboveTokens: number; rates: Rates };
}

/** Dollars per million tokens, as price lists write them. */
function rates(input: number, output: number, cacheWrite5m: number, cacheWrite1h: number, cacheRead: number): Rates {
  const nano = (dollars: number) => Math.round(dollars * 1000);
  return {
    input: nano(input),
    output: nano(output),
    cacheRead: nano(cacheRead),
    cacheWrite5m: nano(cacheWrite5m),
    cacheWrite1h: nano(cacheWrite1h),
  };
}

const since = (day: string) => Date.parse(`${day}T00:00:00Z`);
const currentSize = { contextTokens: 1_000_000, maxOutputTokens: 128_000, adaptiveThinking: true } as const;

export const models: Readonly<Record<string, ModelFacts>> = {
  "claude-sonnet-5-5": {
    ...currentSize,
    effort: "high",
    prices: [
      { from: since("2026-01-01"), rates: rates(2, 10, 2.5, 4, 0.2) },
      { from: since("2026-10-07"), rates: rates(2, 10, 2.5, 4, 0.1) },
    ],
  },
  "claude-opus-5-5": {
    ...currentSize,
    effort: "medium",
    prices: [{ from: since("2026-01-01"), rates: rates(4, 20, 5, 8, 0.2) }],
  },
  "claude-haiku-5-5": {
    ...currentSize,
    effort: "low",
    prices: [
      {
        from: since("2026-01-01"),
        rates: rates(0.1, 0.5, 0.125, 0.2, 0.01),
        longPrompt: { aboveTokens: 100_000, rates: rates(0.5, 2.5, 0.625, 1, 0.05) },
      },
    ],
  },
  /** Plays scripts on this machine and costs nothing. */
  rehearsal: {
    ...currentSize,
    effort: "medium",
    prices: [{ from: since("2026-01-01"), rates: rates(0, 0, 0, 0, 0) }],
  },
};

/** Null for a model that this file does not list. */
export function factsOf(model: string): ModelFacts | null {
  return Object.hasOwn(models, model) ? (models[model] ?? null) : null;
}

export interface BilledTokens extends TokenCounts {
  model: string;
  /** The part of `cache_write_tokens` that was written to live one hour; the rest lives five minutes. */
  cache_write_1h_tokens?: number;
  /** False where the service tier, the speed or the region changed the price: then the list price does not hold. */
  list_price?: boolean;
}

/**
 * Cost in whole micro-dollars, rounded half up once per call. Null where the price is unknown.
 * @param at milliseconds since the epoch: when the call was made
 */
export function costMicroUsd(usage: BilledTokens, at: number): number | null {
  if (usage.list_price === false) return null;
  const row = factsOf(usage.model)?.prices.findLast((price) => price.from <= at);
  if (!row) return null;
  const { longPrompt } = row;
  const applied = longPrompt && promptTokens(usage) > longPrompt.aboveTokens ? longPrompt.rates : row.rates;
  const write1h = usage.cache_write_1h_tokens ?? 0;
  const nano =
    usage.input_tokens * applied.input +
    usage.output_tokens * applied.output +
    usage.cache_read_tokens * applied.cacheRead +
    (usage.cache_write_tokens - write1h) * applied.cacheWrite5m +
    write1h * applied.cacheWrite1h;
  return Math.floor((nano + 500) / 1000);
}

/** Everything that was sent, wherever it was billed. */
export function promptTokens(usage: TokenCounts): number {
  return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
}
