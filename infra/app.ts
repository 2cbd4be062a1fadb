import { App, Validations } from "aws-cdk-lib";
import { PlatformStack } from "./platform-stack.ts";
import { readBuild, readCliContext, readStageConfig } from "./stage-config.ts";

async function main(): Promise<void> {
  const { isValidated, ...build } = readBuild();
  const app = new App({ analyticsReporting: false, autoSynth: false, context: readCliContext() });
  const config = readStageConfig(app.node);
  new PlatformStack(app, `AiSandboxPlatform-${config.stage}`, {
    config,
    ...build,
    terminationProtection: config.retainData,
  });
  if (isValidated) {
    const { AwsSolutionsChecks, ServerlessChecks } = await import("cdk-nag");
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  }
  app.synth();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
