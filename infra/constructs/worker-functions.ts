import { Duration } from "aws-cdk-lib";
import { RecursiveLoop } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { NodeFunction } from "./node-function.ts";
import type { Platform } from "./platform.ts";

/** As long as Lambda allows: one step streams one model call. */
export const turnTimeout = Duration.minutes(15);
export const deadLetterTimeout = Duration.minutes(1);

/** What runs for no caller. */
export function workerFunctions(scope: Construct, platform: Platform) {
  const { settings, config, table, queue, outbound, bucket, sockets, secrets, task } = platform;
  const turn = new NodeFunction(scope, "Turn", {
    process: "turn",
    settings,
    timeout: turnTimeout,
    // It waits for the model most of its time, and is paid by memory and time.
    memoryMiB: 512,
    uses: [
      table.forReadingAndWriting(),
      queue.forSending(),
      outbound.forSending(),
      bucket.forReadingAndWriting(),
      sockets.forPosting(),
      secrets.forReadingSandbox(),
      secrets.forReadingModel(),
      secrets.forReadingGit(),
      task.forLaunching(),
    ],
    environment: {
      GIT_HOSTS: JSON.stringify(config.gitHosts),
      TURN_MODEL: config.turnModel,
      TURN_FALLBACK_MODEL: config.fallbackModel ?? "",
      DEFAULT_PLAN: config.defaultPlan,
    },
    // A turn is a chain of steps through the queue; the worker caps its hops itself.
    recursiveLoop: RecursiveLoop.ALLOW,
  });
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
    uses: [table.forReadingAndWriting(), queue.forSending(), outbound.forSending(), platform.jobs.forSending()],
    environment: {},
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
