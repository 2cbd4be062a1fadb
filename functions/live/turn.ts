import { ECSClient } from "@aws-sdk/client-ecs";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { derivedBootSecrets } from "../../shared/adapters/derived-keys.ts";
import { AnthropicModel } from "../../shared/adapters/model-anthropic.ts";
import { ecsSandboxProvider } from "../../shared/adapters/sandbox-ecs.ts";
import { modelKey, secretReader } from "../../shared/adapters/secrets.ts";
import { systemClock } from "../../shared/adapters/system-clock.ts";
import type { StepDeps } from "../../shared/agent/step-deps.ts";
import { systemPrompt } from "../../shared/agent/system-prompt.ts";
import { platformTools } from "../../shared/agent/platform-tools.ts";
import { TranscriptCache } from "../../shared/agent/transcript-cache.ts";
import { agentTools } from "../../shared/agent/tools.ts";
import { readEnvironment } from "../../shared/config/env.ts";
import { costMicroUsd, factsOf } from "../../shared/config/models.ts";
import { capabilitiesOf } from "../../shared/config/sandbox.ts";
import { plansOf } from "../../shared/config/plans.ts";
import { wake } from "../../shared/domain/turn/turn.ts";
import { poolKey } from "../../shared/domain/warm/warm.decisions.ts";
import { liveGit } from "./git.ts";
import { liveSessions } from "./parts.ts";

/** The session that took one comes first: on a small machine its own start is what the next one would slow down. */
const refillSeconds = 5;

export function liveTurn(): StepDeps {
  const env = readEnvironment("turn", process.env);
  const sessions = liveSessions("turn", env);
  const secrets = secretReader(new SecretsManagerClient({}), systemClock);
  const boot = derivedBootSecrets(secrets.rotated(env.SANDBOX_SECRET_ID));
  return {
    ...sessions,
    model: new AnthropicModel({ apiKey: modelKey(secrets, env.MODEL_SECRET_ID) }),
    turnModel: env.TURN_MODEL,
    fallbackModel: env.TURN_FALLBACK_MODEL || undefined,
    system: systemPrompt,
    tools: [...agentTools, ...platformTools],
    price: costMicroUsd,
    contextTokens: (model) => factsOf(model)?.contextTokens ?? null,
    transcripts: new TranscriptCache(),
    plans: plansOf(env),
    provider: ecsSandboxProvider({
      client: new ECSClient({}),
      cluster: env.CLUSTER,
      taskDefinition: env.TASK_DEFINITION,
      subnets: env.SUBNETS,
      securityGroup: env.SECURITY_GROUP,
      imageDefinitions: env.IMAGE_DEFINITIONS,
      sizes: env.SANDBOX_OFFER.sizes,
      capabilities: capabilitiesOf(env.SANDBOX_OFFER),
    }),
    warm:
      env.WARM_SANDBOXES > 0
        ? {
            wanted: env.WARM_SANDBOXES,
            refill: () => wake(sessions, poolKey, refillSeconds),
            defaultNetwork: env.SANDBOX_OFFER.defaultNetwork,
          }
        : undefined,
    bootSecret: (sessionId, epoch) => boot.derive(sessionId, epoch),
    gitHosts: liveGit(env, sessions.table, secrets).gitHosts,
  };
}
