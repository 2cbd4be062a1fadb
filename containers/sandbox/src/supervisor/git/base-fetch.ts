import fs from "node:fs";
import { fetch } from "isomorphic-git";
import { log, messageOf } from "../../log.ts";
import { gitHttp } from "./git-http.ts";
import type { ObjectStore } from "./object-store.ts";

interface BaseRequest {
  url: string;
  /** Null: the repository's default branch. */
  branch: string | null;
  /** Null: the branch's tip. */
  commit: string | null;
}

/** Brings the base commit's files into the store; its history only where the host gives no single commit. Null: the repository is empty. */
export async function fetchBase(store: ObjectStore, { url, branch, commit }: BaseRequest): Promise<string | null> {
  const remoteRef = branch ?? "HEAD";
  if (commit === null) return fetchRef(store, url, remoteRef, 1);
  try {
    await fetchRef(store, url, commit, 1);
    if (await store.has(commit)) return commit;
  } catch (error) {
    // Many hosts give only what a branch points at.
    log("base not given alone", { error: messageOf(error).slice(0, 200) });
  }
  const tip = await fetchRef(store, url, remoteRef, 1);
  if (tip === commit) return commit;
  await fetchRef(store, url, remoteRef, null);
  if (await store.has(commit)) return commit;
  throw new Error(`the base commit ${commit.slice(0, 12)} is not on ${remoteRef} any more`);
}

/** Everything is said explicitly: nothing may be read from a configuration. */
async function fetchRef(
  store: ObjectStore,
  url: string,
  remoteRef: string,
  depth: number | null,
): Promise<string | null> {
  const { fetchHead } = await fetch({
    fs,
    http: gitHttp,
    gitdir: store.gitdir,
    url,
    remote: "origin",
    ref: remoteRef,
    remoteRef,
    corsProxy: "",
    singleBranch: true,
    tags: false,
    cache: store.cache,
    // Far more than any history: undoes an earlier shallow fetch.
    depth: depth ?? 2_147_483_647,
  });
  return fetchHead;
}
