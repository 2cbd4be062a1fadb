import * as z from "zod";
import {
  deleteCredential,
  listCredentials,
  putCredential,
  readCredential,
} from "../../../shared/domain/git-credential/git-credential.ts";
import { openPullRequest } from "../../../shared/domain/pull-request/pull-request.ts";
import type { Actor } from "../../../shared/ports/tokens.ts";
import { GitCredential, PutGitCredentialRequest } from "../../../shared/protocol/git-credential.ts";
import { page } from "../../../shared/protocol/page.ts";
import { PullRequestAnswer, PullRequestRequest } from "../../../shared/protocol/pull-request.ts";
import { route } from "../deps.ts";
import { keyOf, ofSession } from "./of-session.ts";

/** Any text: a host that is none is not found. */
const ofHost = z.object({ host: z.string() });
const hostKey = (actor: Actor, { host }: { host: string }) => ({ tenant_id: actor.tenantId, host });

const credentials = [
  route({
    method: "GET",
    path: "/git-credentials",
    id: "listGitCredentials",
    summary: "Lists the tenant's git credentials, without their secrets",
    tag: "Tenant",
    needs: "git_credential.manage",
    answers: { 200: page(GitCredential) },
    run: async ({ actor, deps }) => ({
      status: 200,
      body: { data: await listCredentials(deps.table, actor.tenantId), next_cursor: null },
    }),
  }),
  route({
    method: "GET",
    path: "/git-credentials/{host}",
    id: "readGitCredential",
    summary: "Reads what is known of the credential for a git host, without its secret",
    tag: "Tenant",
    needs: "git_credential.manage",
    params: ofHost,
    answers: { 200: GitCredential },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await readCredential(deps.table, hostKey(actor, input.params)),
    }),
  }),
  route({
    method: "PUT",
    path: "/git-credentials/{host}",
    id: "putGitCredential",
    summary: "Gives or replaces the credential for a git host: a token, or a GitHub App",
    description:
      "`host` is the name of a git host of this deployment, such as `github.com`. The secret is never shown again. A token should be good for the repositories of the sessions only; a GitHub App's installation tokens are made for one repository and an hour.",
    tag: "Tenant",
    needs: "git_credential.manage",
    params: ofHost,
    body: PutGitCredentialRequest,
    answers: { 200: GitCredential },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await putCredential(deps, hostKey(actor, input.params), actor.userId, input.body),
    }),
  }),
  route({
    method: "DELETE",
    path: "/git-credentials/{host}",
    id: "deleteGitCredential",
    summary: "Takes the credential for a git host away",
    description: "What was minted with it before is good for at most another hour.",
    tag: "Tenant",
    needs: "git_credential.manage",
    params: ofHost,
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await deleteCredential(deps, hostKey(actor, input.params));
      return { status: 204 };
    },
  }),
];

const pullRequests = [
  route({
    method: "POST",
    path: "/sessions/{session_id}/pull-request",
    id: "openPullRequest",
    summary: "Opens a pull request of the session's branch, or finds the open one",
    description: "On GitHub and GitLab, with the tenant's own credential.",
    tag: "Workspace",
    errors: [
      "not_pushed",
      "git_credential_missing",
      "git_credential_refused",
      "git_host_unsupported",
      "git_host_unavailable",
      "git_host_refused",
      "session_copying",
    ],
    needs: "session.write",
    params: ofSession,
    body: PullRequestRequest,
    answers: { 200: PullRequestAnswer },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await openPullRequest(deps, keyOf(actor, input.params), input.body),
    }),
  }),
];

export const gitRoutes = [...credentials, ...pullRequests];
