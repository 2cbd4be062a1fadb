import * as z from "zod";
import type { Cors, DeployedHttpApi, DeployedRoute, DeployedWebSocketApi } from "./deployed-stack.ts";
import type { Reader } from "./reader.ts";

const strings = z.array(z.string()).default([]);

const CorsProperties = z.object({
  AllowOrigins: strings,
  AllowMethods: strings,
  AllowHeaders: strings,
  ExposeHeaders: strings,
  AllowCredentials: z.boolean().default(false),
  MaxAge: z.coerce.number().optional(),
});

const ApiProperties = z.object({
  ProtocolType: z.enum(["HTTP", "WEBSOCKET"]),
  RouteSelectionExpression: z.string().optional(),
  CorsConfiguration: CorsProperties.optional(),
});

const StageProperties = z.object({ ApiId: z.string(), StageName: z.string() });

const RouteProperties = z.object({
  ApiId: z.string(),
  RouteKey: z.string(),
  Target: z.string(),
  AuthorizationType: z.string().default("NONE"),
  RouteResponseSelectionExpression: z.literal("$default").optional(),
});

/** API Gateway knows no other. */
const RouteResponseProperties = z.object({
  ApiId: z.string(),
  RouteId: z.string(),
  RouteResponseKey: z.literal("$default"),
});

const IntegrationProperties = z.object({
  IntegrationType: z.string(),
  IntegrationUri: z.string(),
  PayloadFormatVersion: z.string().default("1.0"),
  TimeoutInMillis: z.coerce.number().optional(),
});

/** AWS's own limits and defaults for one integration. */
const defaultTimeoutMs = { HTTP: 30_000, WEBSOCKET: 29_000 };

type Route = DeployedRoute & { payloadVersion: string; responds: boolean };

export function readApis(reader: Reader): { httpApis: DeployedHttpApi[]; webSocketApis: DeployedWebSocketApi[] } {
  const httpApis: DeployedHttpApi[] = [];
  const webSocketApis: DeployedWebSocketApi[] = [];
  for (const { id } of reader.ofType("AWS::ApiGatewayV2::Api")) {
    const properties = reader.read(id, ApiProperties);
    const apiId = reader.name(id);
    const routes = routesOf(reader, apiId, defaultTimeoutMs[properties.ProtocolType]);
    const common = { id, label: reader.label(id), apiId, stage: stageOf(reader, apiId) };
    if (properties.ProtocolType === "HTTP") {
      const plain = routes.map(({ responds: _responds, ...route }) => route);
      httpApis.push({ ...common, routes: plain, cors: corsOf(properties.CorsConfiguration) });
    } else {
      const routeSelection = properties.RouteSelectionExpression ?? "$request.body.action";
      webSocketApis.push({ ...common, routes: routes.map(withoutVersion), routeSelection });
    }
  }
  return { httpApis, webSocketApis };
}

function routesOf(reader: Reader, apiId: string, timeoutMs: number): Route[] {
  const routes = reader
    .ofType("AWS::ApiGatewayV2::Route")
    .map(({ id }) => ({ id, ...reader.read(id, RouteProperties) }));
  const responding = respondingRoutes(reader);
  return routes
    .filter((route) => route.ApiId === apiId)
    .map((route) => {
      if (route.AuthorizationType !== "NONE") throw new Error(`${route.id}: authorizers do not exist on one machine`);
      const integration = reader.read(route.Target.replace(/^integrations\//, ""), IntegrationProperties);
      if (integration.IntegrationType !== "AWS_PROXY")
        throw new Error(`${route.id}: only AWS_PROXY integrations exist on one machine`);
      return {
        routeKey: route.RouteKey,
        functionId: reader.find("AWS::Lambda::Function", integration.IntegrationUri),
        timeoutMs: integration.TimeoutInMillis ?? timeoutMs,
        payloadVersion: integration.PayloadFormatVersion,
        responds: route.RouteResponseSelectionExpression !== undefined && responding.has(reader.ref(route.id)),
      };
    });
}

/** A route answers only where it has both: a response, and the expression that chooses it. */
function respondingRoutes(reader: Reader): Set<string> {
  const responses = reader.ofType("AWS::ApiGatewayV2::RouteResponse");
  return new Set(responses.map(({ id }) => reader.read(id, RouteResponseProperties).RouteId));
}

function withoutVersion({ payloadVersion: _version, ...route }: Route): DeployedRoute & { responds: boolean } {
  return route;
}

function stageOf(reader: Reader, apiId: string): string {
  const stages = reader.ofType("AWS::ApiGatewayV2::Stage").map(({ id }) => reader.read(id, StageProperties));
  const stage = stages.find((each) => each.ApiId === apiId);
  if (stage === undefined) throw new Error(`API ${apiId} has no stage`);
  return stage.StageName;
}

function corsOf(properties: z.output<typeof CorsProperties> | undefined): Cors | null {
  if (properties === undefined) return null;
  return {
    allowOrigins: properties.AllowOrigins,
    allowMethods: properties.AllowMethods,
    allowHeaders: properties.AllowHeaders,
    exposeHeaders: properties.ExposeHeaders,
    allowCredentials: properties.AllowCredentials,
    maxAgeSeconds: properties.MaxAge ?? null,
  };
}
