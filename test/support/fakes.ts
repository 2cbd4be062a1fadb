import type { RotatedSecret } from "../../shared/adapters/rotated-secret.ts";
import type { GitHosts, Inspection } from "../../shared/ports/git-hosts.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Model, ModelEvent, ModelRequest } from "../../shared/ports/model.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { LaunchOutcome, LaunchRequest, SandboxProvider } from "../../shared/ports/sandbox-provider.ts";
import type { Delivered, Sockets } from "../../shared/ports/sockets.ts";
import { checkMessage } from "./message-check.ts";
import type { Job } from "../../shared/protocol/job.ts";
import type { WakeUp } from "../../shared/protocol/wake-up.ts";
import type { OutboundMessage } from "../../shared/protocol/webhook.ts";

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A secret that is never rotated. */
export function fixedSecret(text: string): RotatedSecret {
  return {
    signing: async () => text,
    async *candidates() {
      yield text;
    },
  };
}

export function memoryObjects(): Objects & { stored: Map<string, Uint8Array> } {
  const stored = new Map<string, Uint8Array>();
  return {
    stored,
    put: async (key, body) => {
      stored.set(key, typeof body === "string" ? Buffer.from(body) : body);
    },
    get: async (key) => stored.get(key) ?? null,
    head: async (key) => {
      const found = stored.get(key);
      return found ? { length: found.length } : null;
    },
    presignGet: async (key) => `https://objects.test/${key}`,
    presignPut: async (key, length, sha256) => ({
      url: `https://objects.test/${key}`,
      headers: { "content-length": String(length), "x-amz-checksum-sha256": sha256 },
    }),
  };
}

/** Keeps what was posted, per connection. */
export function recordedSockets(): Sockets & {
  posted: Map<string, unknown[]>;
  fate: Map<string, Delivered>;
  closed: string[];
} {
  const posted = new Map<string, unknown[]>();
  const fate = new Map<string, Delivered>();
  const closed: string[] = [];
  return {
    posted,
    fate,
    closed,
    async post(connectionId, message) {
      const delivered = fate.get(connectionId) ?? "sent";
      checkMessage(message);
      if (delivered === "sent") posted.set(connectionId, [...(posted.get(connectionId) ?? []), JSON.parse(message)]);
      return delivered;
    },
    async close(connectionId) {
      closed.push(connectionId);
    },
  };
}

export function recordedJobs() {
  const sent: Job[] = [];
  return {
    sent,
    send: async (job: Job) => {
      sent.push(job);
    },
  };
}

export function recordedQueue() {
  const sent: { wakeUp: WakeUp; delaySeconds: number }[] = [];
  return {
    sent,
    send: async (wakeUp: WakeUp, delaySeconds = 0) => {
      sent.push({ wakeUp, delaySeconds });
    },
  };
}

export function recordedOutbound() {
  const sent: { message: OutboundMessage; delaySeconds: number }[] = [];
  return {
    sent,
    send: async (message: OutboundMessage, delaySeconds = 0) => {
      sent.push({ message, delaySeconds });
    },
  };
}

/** Answers each call with the next of a list; the last one stays. */
export function scriptedModel(
  answers: ((request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent> | Iterable<ModelEvent>)[],
) {
  const requests: ModelRequest[] = [];
  const model: Model = {
    async *stream(request, signal) {
      const answer = answers[Math.min(requests.length, answers.length - 1)];
      requests.push(structuredClone(request));
      if (!answer) throw new Error("the script has no answer");
      yield* answer(request, signal);
    },
  };
  return { ...model, requests };
}

export function fakeProvider(
  outcome: (request: LaunchRequest) => LaunchOutcome = ({ sessionId, epoch }) => ({
    kind: "launched",
    taskId: `task-${sessionId}-${epoch}`,
  }),
) {
  const launched: LaunchRequest[] = [];
  const stopped: string[] = [];
  const provider: SandboxProvider = {
    capabilities: { networkPolicies: ["open"] },
    launch: async (request) => {
      launched.push(request);
      return outcome(request);
    },
    stop: async (taskId) => {
      stopped.push(taskId);
    },
    describe: async () => "running",
  };
  return { provider, launched, stopped };
}

export function fakeGitHosts(inspection: Inspection = { kind: "missing" }): GitHosts {
  return {
    resolve: (repo) => (repo.startsWith("https://") ? repo : `https://git.test/${repo}`),
    inspect: async () => inspection,
    mintPush: async () => ({ username: "sandbox", password: "push-secret" }),
  };
}
