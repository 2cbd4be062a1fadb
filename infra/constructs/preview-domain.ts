import { CfnOutput } from "aws-cdk-lib";
import { CfnApiMapping, DomainName } from "aws-cdk-lib/aws-apigatewayv2";
import { Certificate } from "aws-cdk-lib/aws-certificatemanager";
import { Construct } from "constructs";
import type { StreamedApi } from "./streamed-api.ts";

export interface PreviewDomainProps {
  readonly api: StreamedApi;
  /** `preview.example.net`: every preview is a name right below it. */
  readonly domain: string;
  /** Of a certificate for `*.<domain>`, in the stack's region. */
  readonly certificateArn: string;
}

/** The wildcard name of previews. Its DNS record (`*.<domain>` to the target put out here) is the operator's to set. */
export class PreviewDomain extends Construct {
  constructor(scope: Construct, id: string, props: PreviewDomainProps) {
    super(scope, id);
    const domainName = new DomainName(this, "Name", {
      domainName: `*.${props.domain}`,
      certificate: Certificate.fromCertificateArn(this, "Certificate", props.certificateArn),
    });
    const { restApiId: apiId, deploymentStage } = props.api;
    new CfnApiMapping(this, "Mapping", { apiId, stage: deploymentStage.stageName, domainName: domainName.name });
    new CfnOutput(this, "Target", {
      value: domainName.regionalDomainName,
      description: `Where the DNS name *.${props.domain} must point`,
    });
  }
}
