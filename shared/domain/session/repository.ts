import { AppError } from "../../errors.ts";
import type { GitHosts } from "../../ports/git-hosts.ts";
import type { Names } from "../../ports/naming.ts";

export interface RepositoryDeps {
  gitHosts: Pick<GitHosts, "resolve" | "inspect">;
}

export interface Repository {
  repo: string | null;
  repo_url: string | null;
  target_branch: string | null;
  /** That exist now. */
  branches: string[];
}

/** Throws `repo_not_found`, `repo_unreachable`, `repo_not_allowed` or `validation_failed`. */
export async function checkRepository(
  deps: RepositoryDeps,
  tenantId: string,
  repo: string | null,
  wanted: string | null,
): Promise<Repository> {
  if (repo === null) return { repo, repo_url: null, target_branch: null, branches: [] };
  const repo_url = deps.gitHosts.resolve(repo);
  const inspection = await deps.gitHosts.inspect(repo_url, tenantId);
  if (inspection.kind === "missing") throw new AppError("repo_not_found");
  if (inspection.kind === "unreachable") throw new AppError("repo_unreachable", inspection.message);
  const { defaultBranch, branches } = inspection.facts;
  if (wanted !== null && !branches.has(wanted)) {
    const issues = [{ path: "body.target_branch", message: "is no branch of the repository" }];
    throw new AppError("validation_failed", "The target branch does not exist", { issues });
  }
  return { repo, repo_url, target_branch: wanted ?? defaultBranch, branches: [...branches.keys()] };
}

/** Leaves room for what makes it unique. */
const maxStem = 60;

/**
 * What a session's branch is made of: the name, without slashes (so that no session's branch is a folder of another's),
 * and a piece of the session's id (so that two tenants with one repository do not push to the same branch).
 */
export function branchStem({ branch }: Names, sessionId: string): string {
  const stem = branch
    .replaceAll("/", "-")
    .slice(0, maxStem)
    .replace(/[-./]+$/, "");
  return `${stem}-${sessionId.slice(0, 6)}`;
}
