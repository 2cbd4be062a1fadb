import type { ModelCall } from "../../infra/local/model/call-log.ts";

/** A row of the ledger, as far as it is compared. */
export interface Billed {
  model_request_id?: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** The answer was interrupted: its worker did not hear what the server may have written to the end. */
  is_broken_off?: boolean;
}

export interface BillingReport {
  problems: string[];
  /** Answers of the model that were committed. */
  committed: number;
  /** Answers that arrived whole and that nobody committed: their worker died. */
  wasted: number;
  /** Calls whose worker died while the model spoke. */
  abandoned: number;
}

/** The ledger against what the model's server answered: each row one answer, to the token; titles are nobody's step. */
export function compareBilling(ledger: Billed[], calls: ModelCall[]): BillingReport {
  const steps = calls.filter(({ body }) => body?.["stream"] === true);
  const answered = new Map(steps.map((call) => [call.requestId, call]));
  const ids = ledger.map((row) => row.model_request_id ?? "");
  const problems = ledger.flatMap((row) => {
    const id = row.model_request_id ?? "";
    if (ids.indexOf(id) !== ids.lastIndexOf(id)) return [`${id} was billed twice`];
    const call = answered.get(id);
    const usage = call?.usage ?? call?.whole;
    if (!usage) return [`${id} was billed, and the model never answered it`];
    const said = [
      usage.input_tokens,
      usage.output_tokens,
      usage.cache_read_input_tokens,
      usage.cache_creation_input_tokens,
    ];
    // Of an answer that was broken off nobody counts the words but who heard them.
    const isWhole = call?.usage && row.is_broken_off !== true;
    const words = isWhole ? row.output_tokens : Math.max(row.output_tokens, usage.output_tokens);
    const billed = [row.input_tokens, words, row.cache_read_tokens, row.cache_write_tokens];
    return said.join() === billed.join()
      ? []
      : [`${id}: the model counted ${said.join()}, billed were ${billed.join()}`];
  });
  const billed = new Set(ids);
  const lost = steps.filter(({ requestId }) => !billed.has(requestId));
  return {
    problems,
    committed: ledger.length,
    wasted: lost.filter(({ outcome }) => outcome === "completed").length,
    abandoned: lost.filter(({ outcome }) => outcome === "abandoned").length,
  };
}
