import { Duration } from "aws-cdk-lib";
import { RecursiveLoop } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { NodeFunction } from "./node-function.ts";
import { sandboxOffer } from "../stage-config.ts";
import type { Platform } from "./platform.ts";

/** As long as Lambda allows: one step streams one model call. */
export const turnTimeout = Duration.minutes(15);
export const deadLetterTimeout = Duration.minutes(1);

function turnFunction(scope: Construct, platform: Platform) {
  const { settings, config, table, queue, outbound, bucket, sockets, secrets, task } = platform;
  return new NodeFunction(scope, "Turn", {
    process: "turn",
    settings,
    timeout: turnTimeout,
    // It waits for the model most of its time, and is paid by memory and time (ADR 0033).
    memoryMiB: 256,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      bucket.forReadingAndWriting(),
      sockets.forPosting(),
      secrets.forReadingSandbox(),
      secrets.forReadingModel(),
      secrets.forUsingGit(),
      task.forLaunching(),
    ],
    environment: {
      GIT_HOSTS: JSON.stringify(config.gitHosts),
      WARM_SANDBOXES: String(config.warmSandboxes),
      TURN_MODEL: config.turnModel,
      TURN_FALLBACK_MODEL: config.fallbackModel ?? "",
      DEFAULT_PLAN: config.defaultPlan,
      SANDBOX_OFFER: JSON.stringify(sandboxOffer(config)),
    },
    // A turn is a chain of steps through the queue; the worker caps its hops itself.
    recursiveLoop: RecursiveLoop.ALLOW,
  });
}

/** What runs for no caller. */
export function workerFunctions(scope: Construct, platform: Platform) {
  const { settings, config, table, queue, outbound, bucket, sockets, task } = platform;
  const turn = turnFunction(scope, platform);
  const deadLetters = new NodeFunction(scope, "DeadLetters", {
    process: "deadLetters",
    settings,
    timeout: deadLetterTimeout,
    memoryMiB: 512,
    uses: [table.forReadingAndWriting(), sockets.forPosting(), bucket.forReadingAndWriting()],
    environment: {},
  });
  const sweeper = new NodeFunction(scope, "Sweeper", {
    process: "sweeper",
    settings,
    timeout: Duration.seconds(50),
    memoryMiB: 512,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      platform.jobs.forSending(),
      task.forReaping(),
    ],
    environment: { WARM_SANDBOXES: String(config.warmSandboxes) },
  });
  const containerEvents = new NodeFunction(scope, "ContainerEvents", {
    process: "containerEvents",
    settings,
    timeout: Duration.seconds(30),
    memoryMiB: 512,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      sockets.forPosting(),
      bucket.forReadingAndWriting(),
    ],
    environment: {},
  });
  return { turn, deadLetters, sweeper, containerEvents };
}
