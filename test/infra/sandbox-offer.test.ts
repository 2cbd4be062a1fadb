import { App } from "aws-cdk-lib";
import { readStageConfig, sandboxOffer, type Stage, stages } from "../../infra/stage-config.ts";
import { SandboxOffer } from "../../shared/config/sandbox.ts";
import { environmentOf, ofType, type PlatformTemplate, removeFakeBuilds, spell, synthesize } from "./synthesize.ts";

afterAll(removeFakeBuilds);

const configOf = (stage: Stage, context: Record<string, string> = {}) =>
  readStageConfig(new App({ autoSynth: false, context: { stage, ...context } }).node);
const offerIn = (template: PlatformTemplate, fn: string) =>
  SandboxOffer.parse(JSON.parse(spell(environmentOf(template, fn)["SANDBOX_OFFER"])));

const images = JSON.stringify([{ name: "python", base: "example.com/python-with-node:24" }]);

/** By CPU: from, to and step of MiB that Fargate takes. */
const fargate: Record<number, [number, number, number]> = {
  256: [512, 2_048, 512],
  512: [1_024, 4_096, 1_024],
  1024: [2_048, 8_192, 1_024],
  2048: [4_096, 16_384, 1_024],
  4096: [8_192, 30_720, 1_024],
};

describe("what sandboxes can be asked for", () => {
  test.each(stages)("%s: every size is one that Fargate takes, and leaves the supervisor its part", (stage) => {
    const sizes = Object.values(sandboxOffer(configOf(stage)).sizes);
    expect(sizes).toHaveLength(3);
    for (const { cpu, memoryMiB, toolboxMemoryMiB } of sizes) {
      const [from, to, step] = fargate[cpu] ?? [1, 0, 1];
      expect(memoryMiB >= from && memoryMiB <= to && memoryMiB % step === 0).toBe(true);
      expect(memoryMiB - toolboxMemoryMiB).toBeGreaterThanOrEqual(384);
    }
  });

  test("Fargate keeps no network policy but open; one machine keeps all, and none by default", () => {
    for (const stage of ["dev", "prod"] as const)
      expect(sandboxOffer(configOf(stage))).toMatchObject({ networkPolicies: ["open"], defaultNetwork: "open" });
    expect(sandboxOffer(configOf("local"))).toMatchObject({
      networkPolicies: ["none", "allowlist", "open"],
      defaultNetwork: "none",
    });
    expect(sandboxOffer(configOf("local", { sandboxNetwork: "open" })).defaultNetwork).toBe("open");
    expect(() => configOf("local", { sandboxNetwork: "everything" })).toThrow();
  });

  test("a machine that isolates nothing promises nothing", () => {
    expect(sandboxOffer(configOf("local", { sandboxIsolation: "none" }))).toMatchObject({
      networkPolicies: ["open"],
      defaultNetwork: "open",
    });
  });

  test("no setting of a deployed stage makes it promise what Fargate cannot keep", () => {
    const context = { sandboxNetwork: "none", sandboxIsolation: "bubblewrap" };
    expect(sandboxOffer(configOf("prod", context)).networkPolicies).toEqual(["open"]);
  });

  test.each(["", "[]", '[{"name":"default","base":"x"}]', '[{"name":"A b","base":"x"}]', '[{"name":"a"}]', "{}"])(
    "images %j",
    (sandboxImages) => {
      const read = () => configOf("prod", { sandboxImages }).sandboxImages;
      if (sandboxImages === "" || sandboxImages === "[]") expect(read()).toEqual([]);
      else expect(read).toThrow();
    },
  );
});

describe("with an image more", () => {
  let plain: PlatformTemplate;
  let template: PlatformTemplate;
  beforeAll(() => {
    plain = synthesize("prod");
    template = synthesize("prod", { sandboxImages: images });
  }, 60_000);

  const definitions = (of: PlatformTemplate) => Object.values(ofType(of, "AWS::ECS::TaskDefinition"));

  test("it is one task definition more, which costs nothing, and nothing else: nothing runs at rest", () => {
    const typesOf = ({ Resources }: PlatformTemplate) => Object.values(Resources).map(({ Type }) => Type);
    const count = (types: string[], type: string) => types.filter((each) => each === type).length;
    const [before, after] = [typesOf(plain), typesOf(template)];
    expect(after.length).toBe(before.length + 1);
    expect(count(after, "AWS::ECS::TaskDefinition")).toBe(2);
    for (const running of ["AWS::ECS::Service", "AWS::EC2::NatGateway", "AWS::EC2::Instance", "AWS::EC2::VPCEndpoint"])
      expect(count(after, running)).toBe(0);
  });

  test("it differs in its image and its name alone", () => {
    const [first, second] = definitions(template).map(({ Properties }) => JSON.parse(JSON.stringify(Properties)));
    for (const properties of [first, second]) {
      delete properties.Family;
      for (const container of properties.ContainerDefinitions) delete container.Image;
    }
    expect(second).toEqual(first);
  });

  test("the worker may run it, and knows it by its name; the API knows the name", () => {
    expect(spell(environmentOf(template, "Turn")["IMAGE_DEFINITIONS"])).toMatch(/^\{"python":"\{.+\}"\}$/);
    expect(spell(environmentOf(plain, "Turn")["IMAGE_DEFINITIONS"])).toBe("{}");
    for (const fn of ["Http", "Turn", "Sandbox"]) expect(offerIn(template, fn).images).toEqual(["python"]);
  });
});
