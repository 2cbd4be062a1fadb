import fs from "node:fs";
import { fetch, setConfig } from "isomorphic-git";
import type { RefRequest } from "./base-fetch.ts";
import { gitHttp } from "./git-http.ts";
import type { ObjectStore } from "./object-store.ts";

/** For an image without the git program. Everything is said explicitly: nothing may be read from a configuration. */
export async function fetchWithoutProgram(store: ObjectStore, request: RefRequest): Promise<string | null> {
  const { url, depth, credential } = request;
  const { gitdir } = store;
  const ref = request.ref.replace(/^refs\/heads\//, "");
  const basic = credential && Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  // isomorphic-git does not fetch without one.
  await setConfig({ fs, gitdir, path: "remote.origin.fetch", value: "+refs/heads/*:refs/remotes/origin/*" });
  const { fetchHead } = await fetch({
    fs,
    http: gitHttp,
    gitdir,
    url,
    remote: "origin",
    ref,
    remoteRef: ref,
    corsProxy: "",
    singleBranch: true,
    tags: false,
    cache: store.cache,
    ...(basic ? { headers: { authorization: `Basic ${basic}` } } : {}),
    depth: depth ?? 2_147_483_647,
  });
  return fetchHead;
}
