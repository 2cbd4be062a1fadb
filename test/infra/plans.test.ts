import { App } from "aws-cdk-lib";
import { environments } from "../../shared/config/env.ts";
import { readStageConfig, stages } from "../../infra/stage-config.ts";
import { environmentOf, removeFakeBuilds, spell, synthesize } from "./synthesize.ts";

const configOf = (context: Record<string, string>) => readStageConfig(new App({ autoSynth: false, context }).node);

afterAll(removeFakeBuilds);

test("strangers who sign up in production are limited; a machine of one's own is not", () => {
  expect(stages.map((stage) => configOf({ stage }).defaultPlan)).toEqual(["unlimited", "unlimited", "trial"]);
  expect(configOf({ stage: "prod" }).publicRequests).not.toBeNull();
  expect(configOf({ stage: "local" }).publicRequests).toBeNull();
});

test("an account chooses its default plan by context", () => {
  expect(configOf({ stage: "prod", defaultPlan: "team" }).defaultPlan).toBe("team");
  expect(() => configOf({ stage: "prod", defaultPlan: "platinum" })).toThrow("unknown plan");
});

test("whoever must know the plan gets the stage's, in a form that it can read", () => {
  const template = synthesize("prod");
  for (const fn of ["Http", "Connect", "Frames", "Turn"]) {
    expect(spell(environmentOf(template, fn)["DEFAULT_PLAN"])).toBe("trial");
  }
  const limit = environments.http.shape.PUBLIC_REQUESTS.parse(
    spell(environmentOf(template, "Http")["PUBLIC_REQUESTS"]),
  );
  expect(limit).toEqual(configOf({ stage: "prod" }).publicRequests);
}, 60_000);
