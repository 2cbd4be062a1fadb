export interface PullRequestWish {
  /** The repository's clone URL. */
  url: string;
  tenantId: string;
  branch: string;
  targetBranch: string;
  title: string;
  body: string;
  draft: boolean;
}

export interface PullRequest {
  number: number;
  /** For people. */
  url: string;
  /** False: one was open already. */
  created: boolean;
}

export interface PullRequests {
  /**
   * The open pull (or merge) request from the one branch to the other; made where there is none. Throws
   * `git_credential_missing`, `git_credential_refused`, `git_host_unsupported`, `git_host_refused` and
   * `git_host_unavailable`.
   */
  open(wish: PullRequestWish): Promise<PullRequest>;
}
