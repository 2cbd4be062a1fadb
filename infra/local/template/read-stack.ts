import { loadDocument, type TemplateDocument } from "./document.ts";
import type { DeployedStack } from "./deployed-stack.ts";
import { readApis } from "./read-apis.ts";
import { readRestApis } from "./read-rest-apis.ts";
import { readEventSources, readFunctions, readRules, readTaskDefinitions } from "./read-compute.ts";
import { readRoles } from "./read-roles.ts";
import { readBuckets, readQueues, readSecrets, readTables } from "./read-storage.ts";
import { createReader } from "./reader.ts";

/**
 * The stack that a synthesized template deploys. `directory` is the cloud assembly, where the assets lie.
 * Throws an error that names the resource for anything that a function depends on and one machine does not have.
 */
export function readStack(directory: string): DeployedStack {
  const { stackName, document } = loadDocument(directory);
  return deploy(stackName, document, directory);
}

export function deploy(stackName: string, document: TemplateDocument, directory: string): DeployedStack {
  const reader = createReader(stackName, document);
  const functions = readFunctions(reader, directory);
  return {
    name: stackName,
    functions,
    ...readApis(reader),
    restApis: readRestApis(reader),
    queues: readQueues(reader),
    eventSources: readEventSources(reader),
    tables: readTables(reader),
    buckets: readBuckets(reader),
    secrets: readSecrets(reader),
    rules: readRules(reader),
    eventBuses: reader
      .ofType("AWS::Events::EventBus")
      .map(({ id }) => ({ id, name: reader.name(id), arn: reader.arn(id) })),
    clusters: reader.ofType("AWS::ECS::Cluster").map(({ id }) => ({ id, name: reader.name(id), arn: reader.arn(id) })),
    taskDefinitions: readTaskDefinitions(reader),
    roles: readRoles(reader, new Set(functions.map((each) => each.roleId))),
  };
}
