import { isRepositoryName } from "./repositories.ts";

/** One of the three requests of git's smart HTTP protocol. */
export interface GitRequest {
  method: "GET" | "POST";
  /** `owner/name` */
  repository: string;
  service: "git-upload-pack" | "git-receive-pack";
  /** Below the repository. */
  path: string;
}

const shape = /^\/([^/?]+\/[^/?]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)(?:\?(.*))?$/;

/** Null for all else: files of a repository are never served (the "dumb" protocol). */
export function parseGitRequest(method: string | undefined, url: string | undefined): GitRequest | null {
  const [, repository = "", path = "", query = ""] = shape.exec(url ?? "") ?? [];
  if (!isRepositoryName(repository)) return null;
  if (path === "info/refs") {
    const service = new URLSearchParams(query).get("service");
    if (method !== "GET" || !isService(service)) return null;
    return { method, repository, service, path };
  }
  if (method !== "POST" || query !== "" || !isService(path)) return null;
  return { method, repository, service: path, path };
}

const isService = (text: string | null): text is GitRequest["service"] =>
  text === "git-upload-pack" || text === "git-receive-pack";

/** The password of a Basic authorization. */
export function passwordOf(authorization: string | undefined): string | null {
  const [scheme, encoded = ""] = (authorization ?? "").split(" ");
  if (scheme?.toLowerCase() !== "basic") return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? null : text.slice(colon + 1);
}
