import * as z from "zod";

const SecretVersion = z.object({
  id: z.string(),
  value: z.string(),
  stages: z.array(z.string()),
  /** Milliseconds. */
  created_at: z.number(),
});
export type SecretVersion = z.output<typeof SecretVersion>;

/** As it was kept before versions were. */
const OneValue = z
  .object({ value: z.string(), version: z.string(), created_at: z.number() })
  .transform(({ value, version, created_at }) => [{ id: version, value, stages: [current], created_at }]);

export const StoredVersions = z.union([z.array(SecretVersion), OneValue]);

const current = "AWSCURRENT";
const previous = "AWSPREVIOUS";

/** Secrets Manager forgets versions without a label when there are more than this. */
const maxVersions = 100;

export function firstVersion(id: string, value: string, created_at: number): SecretVersion[] {
  return [{ id, value, stages: [current], created_at }];
}

export interface NewVersion {
  id: string;
  value: string;
  /** Each belongs to one version: it is taken from the others. */
  stages: string[];
  created_at: number;
}

/**
 * The versions with a new one. Where it takes AWSCURRENT, AWSPREVIOUS goes to what was current. Null where the id is
 * another value's: a version never changes.
 */
export function withVersion(versions: readonly SecretVersion[], added: NewVersion): SecretVersion[] | null {
  const known = versions.find(({ id }) => id === added.id);
  if (known) return known.value === added.value ? [...versions] : null;
  const becomesCurrent = added.stages.includes(current) || versions.length === 0;
  const taken = new Set(becomesCurrent ? [...added.stages, current, previous] : added.stages);
  const others = versions.map((version) => {
    const kept = version.stages.filter((stage) => !taken.has(stage));
    const isReplaced = becomesCurrent && version.stages.includes(current);
    return { ...version, stages: isReplaced ? [...kept, previous] : kept };
  });
  const stages = becomesCurrent ? [...new Set([...added.stages, current])] : added.stages;
  return prune([...others, { ...added, stages }]);
}

function prune(versions: SecretVersion[]): SecretVersion[] {
  const spare = versions.length - maxVersions;
  const deprecated = versions.filter(({ stages }) => stages.length === 0).slice(0, Math.max(0, spare));
  return versions.filter((version) => !deprecated.includes(version));
}

export type Found =
  | { kind: "found"; version: SecretVersion }
  | { kind: "missing"; what: string }
  /** Both were named, and they are not the same version's. */
  | { kind: "mismatch" };

export function findVersion(
  versions: readonly SecretVersion[],
  asked: { VersionId?: string | undefined; VersionStage?: string | undefined },
): Found {
  const { VersionId: id, VersionStage: stage } = asked;
  if (id === undefined) {
    const label = stage ?? current;
    const version = versions.find(({ stages }) => stages.includes(label));
    return version ? { kind: "found", version } : { kind: "missing", what: `staging label: ${label}` };
  }
  const version = versions.find((each) => each.id === id);
  if (!version) return { kind: "missing", what: `VersionId: ${id}` };
  return stage === undefined || version.stages.includes(stage) ? { kind: "found", version } : { kind: "mismatch" };
}

/** The values that the labels name: the current one, and the one before where there is one. */
export function labelledValues(versions: readonly SecretVersion[]): string[] {
  const named = [current, previous].map((stage) => findVersion(versions, { VersionStage: stage }));
  return named.flatMap((found) => (found.kind === "found" ? [found.version.value] : []));
}

/** What is labelled, by version id. */
export function stagesById(versions: readonly SecretVersion[]): Record<string, string[]> {
  return Object.fromEntries(versions.filter(({ stages }) => stages.length > 0).map(({ id, stages }) => [id, stages]));
}
