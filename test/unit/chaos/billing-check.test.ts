import type { ModelCall } from "../../../infra/local/model/call-log.ts";
import { compareBilling } from "../../../scripts/chaos/billing-check.ts";

const usage = { input_tokens: 5, output_tokens: 44, cache_read_input_tokens: 7, cache_creation_input_tokens: 9 };
const row = {
  model_request_id: "req_1",
  input_tokens: 5,
  output_tokens: 44,
  cache_read_tokens: 7,
  cache_write_tokens: 9,
};

const call = (changes: Partial<ModelCall>) =>
  ({ requestId: "req_1", body: { stream: true }, outcome: "completed", usage, whole: usage, ...changes }) as ModelCall;

const problems = (billed: object, changes: Partial<ModelCall> = {}) =>
  compareBilling([{ ...row, ...billed }], [call(changes)]).problems;

describe("the ledger against the model's own count", () => {
  it("is held to the token", () => {
    expect(problems({})).toEqual([]);
    expect(problems({ output_tokens: 43 })).toHaveLength(1);
    expect(problems({ cache_read_tokens: 8 })).toHaveLength(1);
  });

  it("counts of an answer that was broken off what was heard, also where the server had written it to its end", () => {
    expect(problems({ output_tokens: 1, is_broken_off: true })).toEqual([]);
    expect(problems({ output_tokens: 1, is_broken_off: true }, { usage: null, outcome: "abandoned" })).toEqual([]);
    expect(problems({ output_tokens: 45, is_broken_off: true })).toHaveLength(1);
    expect(problems({ output_tokens: 1, cache_read_tokens: 8, is_broken_off: true })).toHaveLength(1);
  });

  it("knows a call that was billed twice, or never answered", () => {
    expect(compareBilling([row, row], [call({})]).problems).toContain("req_1 was billed twice");
    expect(compareBilling([row], []).problems).toEqual(["req_1 was billed, and the model never answered it"]);
  });
});
