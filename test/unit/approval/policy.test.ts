import * as fc from "fast-check";
import {
  mainArgument,
  matchesPattern,
  policyChange,
  remembering,
  rulingOn,
} from "../../../shared/domain/approval/policy.decisions.ts";
import { ApprovalPolicy, type RememberedRule } from "../../../shared/protocol/approval.ts";
import { maxRememberedRules } from "../../../shared/protocol/limits.ts";

const policyOf = (input: unknown) => ApprovalPolicy.parse(input);
const bash = (command: string) => ({ name: "bash", input: { command } });
const ruling = (input: unknown, call: Parameters<typeof rulingOn>[0], remembered: RememberedRule[] = []) =>
  rulingOn(call, { policy: policyOf(input), remembered });

/** Few letters, so that pieces repeat and overlap. */
const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "."), maxLength: 12 });
const pattern = fc.string({ unit: fc.constantFrom("a", "b", "\n", ".", "*"), maxLength: 8 });

describe("a pattern", () => {
  it("matches what the same regular expression does", () => {
    fc.assert(
      fc.property(pattern, text, (glob, subject) => {
        const source = glob
          .split("*")
          .map((part) => part.replaceAll(".", "\\."))
          .join("[^]*");
        expect(matchesPattern(glob, subject)).toBe(new RegExp(`^(?:${source})$`).test(subject));
      }),
      { numRuns: 2000 },
    );
  });

  it("matches every text that is made from it", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), fc.array(fc.string()), (parts, between) => {
        const literal = parts.map((part) => part.replaceAll("*", ""));
        const made = literal.reduce((sum, part, index) => sum + (between[index] ?? "") + part);
        expect(matchesPattern(literal.join("*"), made)).toBe(true);
      }),
    );
  });

  it("takes no longer than the text is long", () => {
    const subject = "a".repeat(200_000);
    const started = performance.now();
    expect(matchesPattern(`${"a*".repeat(99)}b`, subject)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("the ruling on a call", () => {
  it("is of the last rule that matches", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ tool: fc.constantFrom("*", "bash", "write"), policy: fc.constantFrom("auto", "ask", "deny") }),
          { maxLength: 8 },
        ),
        (rules) => {
          const last = rules.findLast(({ tool }) => tool !== "write");
          expect(ruling({ default: "ask", rules }, bash("ls")).policy).toBe(last?.policy ?? "ask");
        },
      ),
    );
  });

  it("looks at the main argument, paths in their shortest form", () => {
    expect(mainArgument({ name: "write", input: { file_path: "./src/../.env" } })).toBe(".env");
    expect(mainArgument({ name: "bash", input: { restart: true } })).toBe("");
    expect(mainArgument({ name: "toString", input: { a: 1 } })).toBe('{"a":1}');
    const rules = [{ tool: "write", pattern: ".env*", policy: "deny" }];
    expect(ruling({ rules }, { name: "write", input: { file_path: "./.env.local" } }).policy).toBe("deny");
    expect(ruling({ rules }, { name: "read", input: { file_path: ".env" } }).policy).toBe("auto");
  });

  it("takes what was decided for the session instead of the rule that asks, and of no other", () => {
    const rules = [
      { tool: "bash", policy: "ask" },
      { tool: "bash", pattern: "git *", policy: "ask" },
      { tool: "bash", pattern: "rm *", policy: "deny" },
    ];
    const remembered: RememberedRule[] = [{ tool: "bash", pattern: null, policy: "auto" }];
    expect(ruling({ rules }, bash("ls"), remembered).policy).toBe("auto");
    expect(ruling({ rules }, bash("git push"), remembered).policy).toBe("ask");
    expect(ruling({ rules }, bash("rm a"), remembered).policy).toBe("deny");
    expect(ruling({ default: "ask" }, { name: "write", input: {} }, remembered).policy).toBe("ask");
  });

  it("is auto where there is no policy", () => {
    expect(ruling({}, bash("rm -rf /"))).toEqual({ policy: "auto", pattern: null });
  });
});

it("remembers each rule once, the newest longest", () => {
  const rule = (tool: string, policy: "auto" | "deny" = "auto") => ({ tool, pattern: null, policy });
  const many = Array.from({ length: 30 }, (_, index) => rule(`t${index}`)).reduce(remembering, [] as RememberedRule[]);
  expect(many).toHaveLength(maxRememberedRules);
  expect(many.at(-1)).toEqual(rule("t29"));
  expect(remembering(many, rule("t20", "deny")).filter(({ tool }) => tool === "t20")).toEqual([rule("t20", "deny")]);
});

describe("a new sbx_config", () => {
  const stored = JSON.stringify(policyOf({ default: "ask" }));

  it.each([
    ["sets the policy", undefined, { approvals: { default: "ask" } }, { approvals: stored, remembered: null }],
    ["keeps the same one, and what was remembered", stored, { approvals: { default: "ask" }, other: 1 }, {}],
    ["takes it away", stored, null, { approvals: null, remembered: null }],
    ["has none to take away", undefined, { other: 1 }, {}],
  ])("%s", (_name, approvals, config, change) => {
    expect(policyChange({ approvals }, config)).toEqual(change);
  });
});
