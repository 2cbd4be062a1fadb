import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { Use } from "./node-function.ts";

export interface ObjectsBucketProps {
  readonly retain: boolean;
}

/** Packs, manifests, blobs and large bodies. Sandboxes reach it through presigned URLs only, hence no CORS and no grant to them. */
export class ObjectsBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: ObjectsBucketProps) {
    super(scope, id);
    this.bucket = new Bucket(this, "Bucket", {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      lifecycleRules: [
        { id: "abandoned-multipart-uploads", abortIncompleteMultipartUploadAfter: Duration.days(1) },
        // Files on their way in or out of a workspace: their URLs live for minutes.
        { id: "transfers", prefix: "transfers/", expiration: Duration.days(1) },
      ],
    });
    Validations.of(this.bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason:
        "Only the platform's own functions and URLs presigned by them reach the bucket; an access log would cost a second bucket that never empties.",
    });
  }

  forReadingAndWriting(): Use<"BUCKET_NAME"> {
    return this.use("s3:GetObject", "s3:PutObject");
  }

  /** Listing and deleting; nothing can be read. */
  forRemoving(): Use<"BUCKET_NAME"> {
    return this.use("s3:DeleteObject");
  }

  private use(...actions: string[]): Use<"BUCKET_NAME"> {
    return {
      variables: [["BUCKET_NAME", this.bucket.bucketName]],
      statements: [
        new PolicyStatement({ actions, resources: [this.bucket.arnForObjects("*")] }),
        // Without it S3 answers 403 instead of 404 for a key that does not exist.
        new PolicyStatement({ actions: ["s3:ListBucket"], resources: [this.bucket.bucketArn] }),
      ],
      wildcardReason: "Every key of the one bucket: keys begin with the tenant, which IAM cannot know.",
    };
  }
}
