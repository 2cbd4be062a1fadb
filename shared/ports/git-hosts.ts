export interface RepositoryFacts {
  defaultBranch: string | null;
  /** Branch name to commit. */
  branches: Map<string, string>;
}

export type Inspection =
  | { kind: "found"; facts: RepositoryFacts }
  | { kind: "missing" }
  | { kind: "unreachable"; message: string };

export interface PushCredential {
  username: string;
  password: string;
}

export interface GitHosts {
  /** The clone URL of `https://…`, `owner/name` or a bare name. Throws `repo_not_allowed` or `validation_failed`. */
  resolve(repo: string): string;
  /** One guarded `info/refs` request: 3 s, 1 MB, resolved address pinned, no redirect. */
  inspect(url: string): Promise<Inspection>;
  /** Good for one repository, at most an hour. Null where the platform may not push there. */
  mintPush(url: string, tenantId: string): Promise<PushCredential | null>;
}
