import { sandboxFrameResults } from "../../shared/protocol/frame-results.ts";
import { ofType, removeFakeBuilds, spell, synthesize } from "./synthesize.ts";

afterAll(removeFakeBuilds);

test("the routes of frames that always get an answer have a response, and no others", () => {
  const template = synthesize("prod");
  const routes = ofType(template, "AWS::ApiGatewayV2::Route");
  const keysOf = (found: (typeof routes)[string][]) => found.map(({ Properties }) => String(Properties["RouteKey"]));
  const chosen = Object.values(routes).filter(({ Properties }) => "RouteResponseSelectionExpression" in Properties);
  const responding = Object.values(ofType(template, "AWS::ApiGatewayV2::RouteResponse")).flatMap(
    ({ Properties }) => routes[spell(Properties["RouteId"]).slice(1, -1)] ?? [],
  );
  const always = Object.entries(sandboxFrameResults).flatMap(([type, result]) => (result === null ? [] : [type]));
  expect(new Set(keysOf(chosen))).toEqual(new Set(always));
  expect(new Set(keysOf(responding))).toEqual(new Set(always));
}, 60_000);
