import * as z from "zod";
import type { DeployedRestApi } from "./deployed-stack.ts";
import type { Reader } from "./reader.ts";

const StageProperties = z.object({ RestApiId: z.string(), StageName: z.string() });
const MethodProperties = z.object({
  RestApiId: z.string(),
  HttpMethod: z.string(),
  AuthorizationType: z.string().default("NONE"),
  Integration: z.object({
    Type: z.string(),
    Uri: z.string().default(""),
    ResponseTransferMode: z.string().default("BUFFERED"),
  }),
});

export function readRestApis(reader: Reader): DeployedRestApi[] {
  const methods = reader
    .ofType("AWS::ApiGateway::Method")
    .map(({ id }) => ({ id, ...reader.read(id, MethodProperties) }));
  const stages = reader.ofType("AWS::ApiGateway::Stage").map(({ id }) => reader.read(id, StageProperties));
  return reader.ofType("AWS::ApiGateway::RestApi").map(({ id }) => {
    const apiId = reader.name(id);
    const own = methods.filter((method) => method.RestApiId === apiId);
    const functions = new Set(own.map((method) => functionOf(reader, method)));
    const stage = stages.find((each) => each.RestApiId === apiId)?.StageName;
    const [functionId] = functions;
    if (functionId === undefined || functions.size > 1 || stage === undefined)
      throw new Error(`${id}: on one machine a REST API has one stage and one function`);
    return { id, label: reader.label(id), apiId, stage, functionId };
  });
}

type Method = z.output<typeof MethodProperties> & { id: string };

function functionOf(reader: Reader, { id, HttpMethod, AuthorizationType, Integration }: Method): string {
  const { Type, Uri, ResponseTransferMode } = Integration;
  const isKnown = Type === "AWS_PROXY" && ResponseTransferMode === "STREAM" && HttpMethod === "ANY";
  if (!isKnown || AuthorizationType !== "NONE")
    throw new Error(`${id}: only ANY with a streamed AWS_PROXY integration exists in REST APIs on one machine`);
  return reader.find("AWS::Lambda::Function", Uri);
}
