import { localAccount } from "../contract.ts";
import type { AccessKey } from "../iam/access-keys.ts";
import type { DeployedFunction } from "../template/deployed-stack.ts";

export interface HostAddresses {
  awsEndpoint: string;
  /** Null: functions call the real model API. */
  modelUrl: string | null;
}

/** What the Lambda service itself adds to a function's environment, and where this machine's services are. */
export function functionVariables(
  of: DeployedFunction,
  own: Record<string, string>,
  key: AccessKey,
  addresses: HostAddresses,
): Record<string, string> {
  const variables: Record<string, string> = {
    ...own,
    AWS_REGION: localAccount.region,
    AWS_DEFAULT_REGION: localAccount.region,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_ENDPOINT_URL: addresses.awsEndpoint,
    // The SDK must not look into the home of the person who runs this.
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    AWS_LAMBDA_FUNCTION_NAME: of.name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(of.memoryMb),
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${of.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: "local",
    TZ: ":UTC",
  };
  if (addresses.modelUrl !== null) variables["ANTHROPIC_BASE_URL"] = addresses.modelUrl;
  return variables;
}
