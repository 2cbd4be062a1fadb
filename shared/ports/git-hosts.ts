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

export type GitHostKind = "github" | "gitlab" | "bitbucket" | "plain";

/** A git host of this deployment. */
export interface KnownHost {
  name: string;
  origin: string;
  kind: GitHostKind;
  /** It takes what the platform signs, and needs no credential of the tenant's. */
  isBuiltIn: boolean;
}

export interface GitHosts {
  /** The host of this name; null where the deployment has none. */
  known(name: string): KnownHost | null;
  /** The clone URL of `https://…`, `owner/name` or a bare name. Throws `repo_not_allowed` or `validation_failed`. */
  resolve(repo: string): string;
  /** One guarded `info/refs` request: 3 s, 1 MB, resolved address pinned, no redirect. Private repositories of the tenant's are found too. */
  inspect(url: string, tenantId?: string): Promise<Inspection>;
  /** Good for one repository, at most an hour, where the host can do that. Null where the platform may not push there. */
  mintPush(url: string, tenantId: string): Promise<PushCredential | null>;
  /** The same for reading; null where it is read without. */
  mintRead(url: string, tenantId: string): Promise<PushCredential | null>;
}
