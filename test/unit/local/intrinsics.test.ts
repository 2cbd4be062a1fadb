import { parseDocument } from "../../../infra/local/template/document.ts";
import { resolve } from "../../../infra/local/template/intrinsics.ts";
import { physicalNames } from "../../../infra/local/template/physical.ts";

const document = parseDocument({
  Parameters: { Given: { Type: "String", Default: "text" }, Open: { Type: "String" } },
  Mappings: { Sizes: { "us-east-1": { small: "1" } } },
  Conditions: {
    Here: { "Fn::Equals": [{ Ref: "AWS::Region" }, "us-east-1"] },
    Elsewhere: { "Fn::Not": [{ Condition: "Here" }] },
    Both: { "Fn::And": [{ Condition: "Here" }, { Condition: "Elsewhere" }] },
    Either: { "Fn::Or": [{ Condition: "Here" }, { Condition: "Elsewhere" }] },
  },
  Resources: {
    Queue1: { Type: "AWS::SQS::Queue" },
    Fn1: { Type: "AWS::Lambda::Function", Properties: { FunctionName: "named" } },
    Api1: { Type: "AWS::ApiGatewayV2::Api" },
    Bucket1: { Type: "AWS::S3::Bucket" },
    Strange: { Type: "AWS::Quantum::Computer" },
  },
});
const scope = { stackName: "Stack", document, physical: physicalNames(document) };
const value = (template: unknown) => resolve(template, scope);

describe("values", () => {
  it.each([
    [{ Ref: "AWS::Region" }, "us-east-1"],
    [{ Ref: "AWS::StackName" }, "Stack"],
    [{ Ref: "Given" }, "text"],
    [{ Ref: "Queue1" }, "https://sqs.us-east-1.amazonaws.com/000000000000/Queue1"],
    [{ Ref: "Bucket1" }, "bucket1"],
    [{ "Fn::GetAtt": ["Queue1", "Arn"] }, "arn:aws:sqs:us-east-1:000000000000:Queue1"],
    [{ "Fn::GetAtt": "Fn1.Arn" }, "arn:aws:lambda:us-east-1:000000000000:function:named"],
    [{ "Fn::GetAtt": ["Api1", "ApiEndpoint"] }, "https://api1.execute-api.us-east-1.amazonaws.com"],
    [{ "Fn::Join": ["/", ["a", { Ref: "Given" }, "b"]] }, "a/text/b"],
    [
      { "Fn::Sub": "${Given}-${Fn1.Arn}-${!Literal}" },
      "text-arn:aws:lambda:us-east-1:000000000000:function:named-${Literal}",
    ],
    [{ "Fn::Sub": ["${Here}/${AWS::Region}", { Here: { Ref: "Given" } }] }, "text/us-east-1"],
    [{ "Fn::Select": ["1", { "Fn::Split": [",", "a,b,c"] }] }, "b"],
    [{ "Fn::Select": [0, { "Fn::GetAZs": "" }] }, "us-east-1a"],
    [{ "Fn::FindInMap": ["Sizes", { Ref: "AWS::Region" }, "small"] }, "1"],
    [{ "Fn::If": ["Here", "yes", "no"] }, "yes"],
    [{ "Fn::If": ["Both", "yes", "no"] }, "no"],
    [{ "Fn::If": ["Either", "yes", "no"] }, "yes"],
    [{ "Fn::Base64": "hi" }, "aGk="],
    [{ a: { "Fn::If": ["Elsewhere", 1, { Ref: "AWS::NoValue" }] }, b: [1, { Ref: "AWS::NoValue" }] }, { b: [1] }],
    [{ Fn: { NotAnIntrinsic: true } }, { Fn: { NotAnIntrinsic: true } }],
  ])("%j", (template, expected) => expect(value(template)).toEqual(expected));
});

describe("errors name what is wrong", () => {
  it.each([
    [{ "Fn::Transform": {} }, "unknown intrinsic Fn::Transform"],
    [{ Ref: "Missing" }, "Missing is not in the template"],
    [{ Ref: "Strange" }, "Strange is a AWS::Quantum::Computer"],
    [{ "Fn::GetAtt": ["Queue1", "Colour"] }, "no attribute Colour"],
    [{ Ref: "Open" }, "parameter Open has no default"],
    [{ "Fn::Select": [3, ["a"]] }, "no value at 3"],
    ["{{resolve:ssm:x}}", "dynamic reference"],
  ])("%j", (template, message) => expect(() => value(template)).toThrow(message));
});
