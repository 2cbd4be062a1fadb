import { Duration, type RemovalPolicy, Validations } from "aws-cdk-lib";
import {
  CorsHttpMethod,
  type CorsPreflightOptions,
  HttpApi,
  HttpRoute,
  HttpRouteKey,
  HttpStage,
  LogGroupLogDestination,
} from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { AccessLogField, AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

export interface OneFunctionApiProps {
  /** Empty: no CORS answers at all. */
  readonly allowedOrigins: readonly string[];
  readonly throttle: Throttle;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
  /** Why this API has no authorizer. */
  readonly authorizedBy: string;
}

export interface Throttle {
  /** Requests a second, over all callers. */
  readonly rateLimit: number;
  readonly burstLimit: number;
}

/** An HTTP API whose every request goes to one function. */
export class OneFunctionApi extends HttpApi {
  readonly stage: HttpStage;
  private readonly authorizedBy: string;

  constructor(scope: Construct, id: string, props: OneFunctionApiProps) {
    super(scope, id, {
      createDefaultStage: false,
      corsPreflight: props.allowedOrigins.length > 0 ? corsFor(props.allowedOrigins) : undefined,
    });
    this.authorizedBy = props.authorizedBy;
    const logGroup = new LogGroup(this, "AccessLogs", {
      retention: props.logRetention,
      removalPolicy: props.removalPolicy,
    });
    this.stage = new HttpStage(this, "Stage", {
      httpApi: this,
      stageName: "$default",
      autoDeploy: true,
      throttle: props.throttle,
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: accessLogFormat() },
    });
  }

  deliverTo(fn: LambdaFunction): void {
    const route = new HttpRoute(this, "Route", {
      httpApi: this,
      routeKey: HttpRouteKey.DEFAULT,
      integration: new HttpLambdaIntegration("Integration", fn),
    });
    Validations.of(route).acknowledge({ id: "AwsSolutions-APIG4", reason: this.authorizedBy });
  }
}

/** Neither the query nor a header: both can carry what opens a session. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      request_id: AccessLogField.contextRequestId(),
      at: AccessLogField.contextRequestTimeEpoch(),
      ip: AccessLogField.contextIdentitySourceIp(),
      method: AccessLogField.contextHttpMethod(),
      path: AccessLogField.contextPath(),
      status: AccessLogField.contextStatus(),
      response_bytes: AccessLogField.contextResponseLength(),
      latency_ms: AccessLogField.contextResponseLatency(),
      integration_error: AccessLogField.contextIntegrationErrorMessage(),
    }),
  );
}

/** No cookies cross origins: callers authenticate with a header. */
function corsFor(allowedOrigins: readonly string[]): CorsPreflightOptions {
  return {
    allowOrigins: [...allowedOrigins],
    allowMethods: [
      CorsHttpMethod.GET,
      CorsHttpMethod.POST,
      CorsHttpMethod.PUT,
      CorsHttpMethod.PATCH,
      CorsHttpMethod.DELETE,
    ],
    allowHeaders: ["authorization", "content-type", "idempotency-key", "traceparent"],
    exposeHeaders: ["x-request-id", "retry-after", "idempotent-replayed", "ratelimit", "ratelimit-policy"],
    maxAge: Duration.hours(1),
  };
}
