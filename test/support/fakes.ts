import type { RotatedSecret } from "../../shared/adapters/rotated-secret.ts";
import type { TenantSecrets } from "../../shared/ports/git-credentials.ts";
import type { GitHosts, Inspection } from "../../shared/ports/git-hosts.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { Model, ModelEvent, ModelRequest } from "../../shared/ports/model.ts";
import type { ObjectRemoval } from "../../shared/ports/object-removal.ts";
import type { Objects } from "../../shared/ports/objects.ts";
import type { PullRequests } from "../../shared/ports/pull-requests.ts";
import type { LaunchOutcome, LaunchRequest, SandboxProvider } from "../../shared/ports/sandbox-provider.ts";
import { AppError } from "../../shared/errors.ts";
import type { SandboxDoor } from "../../shared/ports/sandbox-door.ts";
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

/** Of the same objects; `putAt`: when each was put, for ever ago where it says nothing. */
export function memoryRemoval(stored: Map<string, Uint8Array>, putAt = new Map<string, number>()): ObjectRemoval {
  const remove = async (keys: readonly string[]) => {
    for (const key of keys) stored.delete(key);
  };
  const below = (prefix: string) => [...stored.keys()].filter((key) => key.startsWith(prefix));
  return {
    removeBelow: (prefix, except) =>
      remove(below(prefix).filter((key) => !except.some((kept) => key.startsWith(kept)))),
    listBelow: async (prefix, before = Infinity) => below(prefix).filter((key) => (putAt.get(key) ?? 0) <= before),
    remove,
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

/** The supervisors' side of the door: what each question is answered; one that has no answer is not answered. */
export function fakeDoor(answers: Record<string, (body: unknown) => unknown> = {}) {
  const asked: { address: string; op: string; body: unknown }[] = [];
  const door: SandboxDoor = {
    ask: async ({ address }, op, body) => {
      const parsed = op.body.parse(body);
      asked.push({ address, op: op.name, body: parsed });
      const answer = answers[op.name];
      if (!answer) throw new AppError("sandbox_unavailable", "The sandbox did not answer");
      return op.result.parse(await answer(parsed)) as never;
    },
  };
  return { ...door, asked, answers };
}

export function fakeGitHosts(inspection: Inspection = { kind: "missing" }): GitHosts {
  return {
    resolve: (repo) => (repo.startsWith("https://") ? repo : `https://git.test/${repo}`),
    known: (name) =>
      name === "git.test" ? { name, origin: "https://git.test", kind: "github", isBuiltIn: false } : null,
    inspect: async () => inspection,
    mintRead: async () => null,
    mintPush: async () => ({ username: "sandbox", password: "push-secret" }),
  };
}

/** One secret a tenant, in memory. */
export function memoryTenantSecrets(): TenantSecrets & { stored: Map<string, { text: string; version: string }> } {
  const stored = new Map<string, { text: string; version: string }>();
  let versions = 0;
  return {
    stored,
    read: async (tenantId) => stored.get(tenantId) ?? null,
    replace: async (tenantId, replaced, text) => {
      if ((stored.get(tenantId)?.version ?? null) !== replaced) return false;
      stored.set(tenantId, { text, version: `v${(versions += 1)}` });
      return true;
    },
  };
}

/** A host that opens whatever it is asked for, once for each branch. */
export function fakePullRequests(): PullRequests {
  const opened = new Map<string, number>();
  return {
    async open({ url, branch }) {
      const known = opened.get(`${url} ${branch}`);
      const number = known ?? opened.size + 1;
      opened.set(`${url} ${branch}`, number);
      return { number, url: `https://git.test/pulls/${number}`, created: known === undefined };
    },
  };
}
