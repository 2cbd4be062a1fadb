import { randomOf, ratiosOf, shuffled } from "../../../scripts/bench/peers/ratios.ts";

describe("ratios of rounds", () => {
  it("are taken round by round: a slow round is slow for both", () => {
    // The medians of each alone are 20 and 100: their ratio would be 0.2.
    expect(ratiosOf([10, 20, 300], [100, 50, 1000])).toEqual({ median: 0.3, min: 0.1, max: 0.4 });
  });

  it("need both figures of each round", () => {
    expect(() => ratiosOf([1, 2], [1])).toThrow("both figures");
  });
});

describe("the order of a round", () => {
  it("is the same for the same seed, and another for another", () => {
    const order = (seed: number) => shuffled([1, 2, 3, 4, 5, 6, 7, 8], randomOf(seed));
    expect(order(7)).toEqual(order(7));
    expect(order(7)).not.toEqual(order(8));
    expect(order(7).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
