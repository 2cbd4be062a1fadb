import { Stack, Validations } from "aws-cdk-lib";
import { EndpointType, LambdaIntegration, ResponseTransferMode, RestApi } from "aws-cdk-lib/aws-apigateway";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import type { Throttle } from "./http-api.ts";

export interface StreamedApiProps {
  readonly throttle: Throttle;
  /** Why this API has no authorizer. */
  readonly authorizedBy: string;
}

/** A REST API whose every request goes to one function, which streams its answer: HTTP APIs can not stream. */
export class StreamedApi extends RestApi {
  private readonly authorizedBy: string;

  constructor(scope: Construct, id: string, props: StreamedApiProps) {
    super(scope, id, {
      endpointTypes: [EndpointType.REGIONAL],
      // Requests' bodies arrive as they are.
      binaryMediaTypes: ["*/*"],
      cloudWatchRole: false,
      deployOptions: {
        stageName: "v1",
        throttlingRateLimit: props.throttle.rateLimit,
        throttlingBurstLimit: props.throttle.burstLimit,
      },
    });
    this.authorizedBy = props.authorizedBy;
    // The stack puts out an address without the stage.
    this.node.tryRemoveChild("Endpoint");
    const notLogged =
      "Logs of REST APIs need a role set for the whole account and region, which a stack must not overwrite; the function logs instead.";
    for (const ruleId of ["AwsSolutions-APIG1", "AwsSolutions-APIG6", "Serverless-APIGWAccessLogging"])
      Validations.of(this).acknowledge({ id: ruleId, reason: notLogged });
    Validations.of(this.deploymentStage).acknowledge(
      {
        id: "AwsSolutions-APIG3",
        reason: "A web ACL costs 5 dollars a month at rest; the front checks a capability before anything else.",
      },
      {
        id: "Serverless-APIGWXrayEnabled",
        reason: "X-Ray bills every trace; log lines carry request and session ids.",
      },
    );
    Validations.of(this).acknowledge({ id: "AwsSolutions-APIG2", reason: "An app takes whatever requests it takes." });
  }

  /** `https://{id}.execute-api.{region}.amazonaws.com`, without the stage, which a domain of its own does not show either. */
  get apiEndpoint(): string {
    const { region, urlSuffix } = Stack.of(this);
    return `https://${this.restApiId}.execute-api.${region}.${urlSuffix}`;
  }

  deliverTo(fn: LambdaFunction): void {
    const integration = new LambdaIntegration(fn, {
      responseTransferMode: ResponseTransferMode.STREAM,
      allowTestInvoke: false,
    });
    for (const resource of [this.root, this.root.addResource("{proxy+}")]) {
      const method = resource.addMethod("ANY", integration);
      for (const id of ["AwsSolutions-APIG4", "AwsSolutions-COG4"])
        Validations.of(method).acknowledge({ id, reason: this.authorizedBy });
    }
  }
}
