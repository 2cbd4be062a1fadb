import { Stack, Validations } from "aws-cdk-lib";
import { CfnIntegration, CfnRoute, CfnRouteResponse, WebSocketApi, WebSocketStage } from "aws-cdk-lib/aws-apigatewayv2";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import type { Throttle } from "./http-api.ts";
import type { Use } from "./node-function.ts";

export interface FrameApiProps {
  readonly throttle: Throttle;
}

export interface Routes {
  readonly keys: readonly string[];
  /** The keys as a pattern of the permission: it must match these routes and no others. */
  readonly invokableFor: string;
  /** Those whose function's answer goes to the sender of the frame. Of the others it goes nowhere. */
  readonly responding?: readonly string[];
}

const stageName = "v1";
/** There is no other route response. */
const wholeAnswer = "$default";

/** Routes are chosen by the frame's `type`, so that user frames and sandbox frames end in different functions. */
export class FrameApi extends WebSocketApi {
  private readonly stage: WebSocketStage;

  constructor(scope: Construct, id: string, props: FrameApiProps) {
    super(scope, id, { routeSelectionExpression: "$request.body.type" });
    this.stage = new WebSocketStage(this, "Stage", {
      webSocketApi: this,
      stageName,
      autoDeploy: true,
      throttle: props.throttle,
    });
    const reason =
      "WebSocket access logs need a role set for the whole account and region, which a stack must not overwrite; the functions log instead.";
    for (const id of ["AwsSolutions-APIG1", "Serverless-APIGWAccessLogging"])
      Validations.of(this.stage).acknowledge({ id, reason });
  }

  /** `wss://{api}.execute-api.{region}.amazonaws.com/v1` */
  get url(): string {
    return this.stage.url;
  }

  /** The endpoint of `@connections`, and the right to post to and to close connections of this API. */
  forPosting(): Use<"CONNECTIONS_URL"> {
    const resources = ["POST", "DELETE"].map((method) => this.executeArn(`${method}/@connections/*`));
    return {
      variables: [["CONNECTIONS_URL", this.stage.callbackUrl]],
      statements: [new PolicyStatement({ actions: ["execute-api:ManageConnections"], resources })],
      wildcardReason: "Any connection of this API: their ids come and go with the clients.",
    };
  }

  route(name: string, fn: LambdaFunction, { keys, invokableFor, responding = [] }: Routes): void {
    const integration = new CfnIntegration(this, `${name}Integration`, {
      apiId: this.apiId,
      integrationType: "AWS_PROXY",
      integrationUri: Stack.of(this).formatArn({
        service: "apigateway",
        account: "lambda",
        resource: "path/2015-03-31/functions",
        resourceName: `${fn.functionArn}/invocations`,
      }),
    });
    for (const routeKey of keys) {
      const responds = responding.includes(routeKey);
      const route = new CfnRoute(this, `Route ${routeKey}`, {
        apiId: this.apiId,
        routeKey,
        target: `integrations/${integration.ref}`,
        authorizationType: "NONE",
        ...(responds ? { routeResponseSelectionExpression: wholeAnswer } : {}),
      });
      if (responds) this.respond(routeKey, route);
      Validations.of(route).acknowledge({
        id: "AwsSolutions-APIG4",
        reason:
          "The connect function authenticates in code (one hop less, revocation at once), and every frame is checked against the connection's row.",
      });
    }
    fn.addPermission(`${name}Routes`, {
      principal: new ServicePrincipal("apigateway.amazonaws.com"),
      sourceArn: this.executeArn(invokableFor),
    });
  }

  private respond(routeKey: string, { ref }: CfnRoute): void {
    const response = { apiId: this.apiId, routeId: ref, routeResponseKey: wholeAnswer };
    new CfnRouteResponse(this, `Response ${routeKey}`, response);
  }

  private executeArn(path: string): string {
    return Stack.of(this).formatArn({
      service: "execute-api",
      resource: this.apiId,
      resourceName: `${stageName}/${path}`,
    });
  }
}
