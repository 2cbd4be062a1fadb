import { localAccount } from "../contract.ts";
import type { TemplateDocument } from "./document.ts";
import type { Physical } from "./intrinsics.ts";

const { id: account, region, partition, urlSuffix } = localAccount;

const arn = (service: string, resource: string) => `arn:${partition}:${service}:${region}:${account}:${resource}`;
const queueUrl = (name: string) => `https://sqs.${region}.${urlSuffix}/${account}/${name}`;

interface ResourceType {
  /** The property that names the resource, where the template sets it. */
  nameProperty?: string;
  ref(name: string): string;
  attributes?: Record<string, (name: string) => string>;
}

const plain = (name: string) => name;
const named = (nameProperty: string, arnOf: (name: string) => string): ResourceType => ({
  nameProperty,
  ref: plain,
  attributes: { Arn: arnOf },
});

const table = (name: string) => arn("dynamodb", `table/${name}`);
const secret = (name: string) => arn("secretsmanager", `secret:${name}`);

/** What `Ref` and `Fn::GetAtt` answer for each resource type that something on one machine depends on. */
const resourceTypes: Record<string, ResourceType> = {
  "AWS::Lambda::Function": named("FunctionName", (name) => arn("lambda", `function:${name}`)),
  "AWS::DynamoDB::Table": named("TableName", table),
  "AWS::DynamoDB::GlobalTable": named("TableName", table),
  "AWS::SQS::Queue": {
    nameProperty: "QueueName",
    ref: queueUrl,
    attributes: { Arn: (name) => arn("sqs", name), QueueName: plain, QueueUrl: queueUrl },
  },
  "AWS::S3::Bucket": named("BucketName", (name) => `arn:${partition}:s3:::${name}`),
  "AWS::SecretsManager::Secret": { nameProperty: "Name", ref: secret, attributes: { Id: secret } },
  "AWS::ApiGatewayV2::Api": {
    ref: plain,
    attributes: { ApiId: plain, ApiEndpoint: (name) => `https://${name}.execute-api.${region}.${urlSuffix}` },
  },
  "AWS::ApiGateway::RestApi": { ref: plain, attributes: { RootResourceId: (name) => `${name}/root` } },
  "AWS::ApiGateway::Stage": { nameProperty: "StageName", ref: plain },
  "AWS::ApiGatewayV2::Stage": { nameProperty: "StageName", ref: plain },
  "AWS::ApiGatewayV2::Integration": { ref: plain },
  "AWS::ApiGatewayV2::Route": { ref: plain },
  "AWS::ECS::Cluster": named("ClusterName", (name) => arn("ecs", `cluster/${name}`)),
  "AWS::ECS::TaskDefinition": {
    nameProperty: "Family",
    ref: (name) => arn("ecs", `task-definition/${name}:1`),
    attributes: { TaskDefinitionArn: (name) => arn("ecs", `task-definition/${name}:1`) },
  },
  "AWS::IAM::Role": named("RoleName", (name) => `arn:${partition}:iam::${account}:role/${name}`),
  "AWS::Logs::LogGroup": named("LogGroupName", (name) => arn("logs", `log-group:${name}:*`)),
  "AWS::Events::EventBus": named("Name", (name) => arn("events", `event-bus/${name}`)),
  "AWS::Events::Rule": named("Name", (name) => arn("events", `rule/${name}`)),
  "AWS::Scheduler::ScheduleGroup": named("Name", (name) => arn("scheduler", `schedule-group/${name}`)),
  "AWS::EC2::VPC": { ref: (name) => `vpc-${name}`, attributes: { VpcId: (name) => `vpc-${name}` } },
  "AWS::EC2::Subnet": { ref: (name) => `subnet-${name}`, attributes: { SubnetId: (name) => `subnet-${name}` } },
  "AWS::EC2::SecurityGroup": { ref: (name) => `sg-${name}`, attributes: { GroupId: (name) => `sg-${name}` } },
  "AWS::KMS::Key": { ref: plain, attributes: { Arn: (name) => arn("kms", `key/${name}`), KeyId: plain } },
};

/** Names are the template's own, or else the logical id, which stays the same over restarts. */
export function physicalNames(document: TemplateDocument): Physical & { name(logicalId: string): string } {
  const find = (logicalId: string) => {
    const resource = document.Resources[logicalId];
    if (resource === undefined) throw new Error(`${logicalId} is not in the template`);
    const type = resourceTypes[resource.Type];
    if (type === undefined) throw new Error(`${logicalId} is a ${resource.Type}, which does not exist on one machine`);
    const given = type.nameProperty === undefined ? undefined : resource.Properties[type.nameProperty];
    const lowerCase = resource.Type === "AWS::S3::Bucket" || /^AWS::ApiGateway(V2::Api|::RestApi)$/.test(resource.Type);
    const own = lowerCase ? logicalId.toLowerCase() : logicalId;
    return { resource, type, name: typeof given === "string" ? given : own };
  };
  return {
    name: (logicalId) => find(logicalId).name,
    ref: (logicalId) => {
      const { type, name } = find(logicalId);
      return type.ref(name);
    },
    attribute: (logicalId, attribute) => {
      const { resource, type, name } = find(logicalId);
      const answer = type.attributes?.[attribute];
      if (answer === undefined)
        throw new Error(`${logicalId} (${resource.Type}) has no attribute ${attribute} on one machine`);
      return answer(name);
    },
  };
}
