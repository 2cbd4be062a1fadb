import { Validations } from "aws-cdk-lib";
import { Port, SecurityGroup, SubnetType, Vpc } from "aws-cdk-lib/aws-ec2";
import { Construct } from "constructs";

export interface NetworkProps {
  /** The supervisor's port: the only one that anything may dial. */
  readonly previewPort: number;
}

/**
 * Public subnets only: sandboxes dial out through the internet gateway, so that nothing here costs money while it idles
 * (a NAT gateway would be $33 a month, an interface endpoint $7 per zone).
 */
export class Network extends Construct {
  readonly vpc: Vpc;
  readonly sandboxes: SecurityGroup;
  readonly previewRelay: SecurityGroup;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    this.vpc = new Vpc(this, "Vpc", {
      natGateways: 0,
      maxAzs: 2,
      // Each launch asks for its own public address; nothing else may get one by accident.
      subnetConfiguration: [
        { name: "Public", subnetType: SubnetType.PUBLIC, cidrMask: 20, mapPublicIpOnLaunch: false },
      ],
      restrictDefaultSecurityGroup: false,
    });
    this.sandboxes = new SecurityGroup(this, "Sandboxes", {
      vpc: this.vpc,
      description: "Sandboxes: out to anywhere, in from the preview relay only",
      allowAllOutbound: true,
    });
    this.previewRelay = new SecurityGroup(this, "PreviewRelay", {
      vpc: this.vpc,
      description: "Preview relay: out to the sandboxes only",
      allowAllOutbound: false,
    });
    this.previewRelay.connections.allowTo(this.sandboxes, Port.tcp(props.previewPort), "preview");
    Validations.of(this.vpc).acknowledge({
      id: "AwsSolutions-VPC7",
      reason:
        "Flow logs bill every gigabyte that sandboxes move; nothing but the preview relay can come in, and tasks hold no credentials.",
    });
  }
}
