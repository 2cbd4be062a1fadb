import type { RepositoryFacts } from "../ports/git-hosts.ts";

/** More than a person will look through; the rest still exist on the host. */
const maxBranches = 2_000;
const flush = "0000";
const zeroId = /^0+$/;

/**
 * Reads the answer to `info/refs?service=git-upload-pack` (gitprotocol-http, version 0). Null where it is none: an HTML
 * page with status 200 must not pass for an empty repository.
 */
export function parseRefAdvertisement(body: Buffer): RepositoryFacts | null {
  const lines = packetLines(body);
  if (lines === null || lines[0]?.trim() !== "# service=git-upload-pack") return null;
  const refs = lines.slice(1).filter((line) => line !== flush);
  const capabilities = refs[0]?.split("\0")[1] ?? "";
  const branches = new Map<string, string>();
  for (const line of refs) {
    const [id = "", name = ""] = (line.split("\0")[0] ?? "").trim().split(" ");
    if (!/^[0-9a-f]{40,64}$/.test(id)) return null;
    if (!name.startsWith("refs/heads/") || zeroId.test(id) || branches.size >= maxBranches) continue;
    branches.set(name.slice("refs/heads/".length), id);
  }
  const head = /(?:^| )symref=HEAD:refs\/heads\/(\S+)/.exec(capabilities)?.[1] ?? null;
  return { defaultBranch: head, branches };
}

/** pkt-line: four hex digits of length, themselves included, then the payload. */
function packetLines(body: Buffer): string[] | null {
  const lines: string[] = [];
  for (let at = 0; at < body.length;) {
    const digits = body.toString("latin1", at, at + 4);
    if (!/^[0-9a-f]{4}$/i.test(digits)) return null;
    const length = Number.parseInt(digits, 16);
    if (length === 0) {
      lines.push(flush);
      at += 4;
      continue;
    }
    if (length < 4 || at + length > body.length) return null;
    lines.push(body.toString("utf8", at + 4, at + length));
    at += length;
  }
  return lines;
}
