import * as z from "zod";
import { localAccount, type AwsService, type Caller } from "../contract.ts";

const ClusterOf = z.looseObject({ cluster: z.string().default("default") });

/** Gives ECS's authorisation the condition keys that the request itself answers: which cluster, and to whom a role is passed. */
export function withEcsConditions(service: AwsService): AwsService {
  return (request, response, body, caller) => service(request, response, body, knowing(caller, ecsConditions(body)));
}

function ecsConditions(body: Buffer): Record<string, string> {
  const passed = { "iam:PassedToService": "ecs-tasks.amazonaws.com" };
  try {
    const { cluster } = ClusterOf.parse(JSON.parse(body.toString()));
    const prefix = `arn:${localAccount.partition}:ecs:${localAccount.region}:${localAccount.id}:cluster/`;
    return { ...passed, "ecs:cluster": cluster.startsWith("arn:") ? cluster : prefix + cluster };
  } catch {
    // Not a request: the service says so.
    return passed;
  }
}

function knowing(caller: Caller, known: Record<string, string>): Caller {
  return {
    ...caller,
    allows: (action, resource, context) => caller.allows(action, resource, { ...known, ...context }),
  };
}
