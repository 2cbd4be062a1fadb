import { credentialRefused, type PushTarget } from "../../../../../shared/protocol/sandbox-frame.ts";
import { exchange } from "../platform/http-exchange.ts";
import type { Stretch } from "./stretch.ts";

export const noCommit = "0".repeat(40);
const discoveryTimeoutMs = 10_000;
const maxRefsBytes = 16 * 1024 * 1024;
const maxReportBytes = 1024 * 1024;
const agent = "agent=ai-sandbox";

/** The remote's branch is not what we took it for: look again. */
export class StaleBranch extends Error {}

export interface BranchUpdate {
  branch: string;
  /** What the branch must be now; `noCommit` where it must not exist. */
  from: string;
  to: string;
  pack: Stretch;
}

/** The remote's branches, name to commit. */
export async function discoverBranches(target: PushTarget, signal: AbortSignal): Promise<Map<string, string>> {
  const answer = await exchange({
    url: `${target.url}/info/refs?service=git-receive-pack`,
    headers: { authorization: basicAuth(target) },
    timeoutMs: discoveryTimeoutMs,
    maxBytes: maxRefsBytes,
    signal,
  });
  if (answer.status !== 200) throw new Error(refusal(answer.status));
  const branches = new Map<string, string>();
  for (const line of parsePackets(answer.body)) {
    const found = /^([0-9a-f]{40}) refs\/heads\/([^\0\n]+)/.exec(line);
    if (found?.[1] && found[2]) branches.set(found[2], found[1]);
  }
  return branches;
}

/** One POST: moves the branch from exactly `from` to `to`. The host refuses it where the branch is elsewhere. */
export async function sendPack(
  target: PushTarget,
  update: BranchUpdate,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const command = `${update.from} ${update.to} refs/heads/${update.branch}\0 report-status ${agent}`;
  const answer = await exchange({
    url: `${target.url}/git-receive-pack`,
    method: "POST",
    headers: {
      authorization: basicAuth(target),
      "content-type": "application/x-git-receive-pack-request",
      accept: "application/x-git-receive-pack-result",
    },
    body: [packet(command), Buffer.from("0000"), update.pack],
    timeoutMs,
    maxBytes: maxReportBytes,
    signal,
  });
  if (answer.status !== 200) throw new Error(refusal(answer.status));
  checkReport(parsePackets(answer.body), update.branch);
}

function checkReport(lines: string[], branch: string): void {
  const unpack = lines.find((line) => line.startsWith("unpack "))?.trim();
  const verdict = lines.find((line) => line.includes(` refs/heads/${branch}`))?.trim() ?? "";
  if (verdict.startsWith("ok ")) return;
  const reason = verdict.split(`refs/heads/${branch}`)[1]?.trim() || unpack || "no report";
  if (unpack === "unpack ok" && verdict.startsWith("ng "))
    throw new StaleBranch(`the git host refused the push: ${reason}`.slice(0, 300));
  throw new Error(`the git host refused the push: ${reason}`.slice(0, 300));
}

/** The platform marks the credential by these words (`credentialRefused`). */
function refusal(status: number): string {
  const prefix = status === 401 || status === 403 ? `${credentialRefused}: ` : "";
  return `${prefix}the git host answered ${status}`;
}

function basicAuth({ username, password }: PushTarget): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function packet(line: string): Buffer {
  const body = Buffer.from(line);
  return Buffer.concat([Buffer.from((body.length + 4).toString(16).padStart(4, "0")), body]);
}

/** The lines of a pkt-line stream; flush and delimiter packets are left out. */
export function parsePackets(body: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at + 4 <= body.length;) {
    const length = Number.parseInt(body.toString("latin1", at, at + 4), 16);
    if (Number.isNaN(length)) break;
    if (length > 4) lines.push(body.toString("utf8", at + 4, at + length));
    at += Math.max(length, 4);
  }
  return lines;
}
