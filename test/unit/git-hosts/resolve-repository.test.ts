import { resolveRepository } from "../../../shared/adapters/resolve-repository.ts";
import type { GitHost } from "../../../shared/config/env.ts";
import { AppError } from "../../../shared/errors.ts";

const host = (changes: Partial<GitHost>): GitHost => ({
  name: "git",
  origin: "https://github.com",
  allowPrivate: false,
  push: "none",
  defaultOwner: null,
  ...changes,
});
const hosts = [
  host({}),
  host({ origin: "http://127.0.0.1:4104", allowPrivate: true, defaultOwner: "demo" }),
  host({ origin: "https://git.example:8443" }),
];

it.each([
  ["app", "http://127.0.0.1:4104/demo/app.git"],
  ["owner/app", "https://github.com/owner/app.git"],
  ["  owner/app ", "https://github.com/owner/app.git"],
  ["owner/app.git", "https://github.com/owner/app.git"],
  ["https://github.com/owner/app", "https://github.com/owner/app.git"],
  ["https://github.com/owner/app/", "https://github.com/owner/app.git"],
  ["https://github.com/owner/app.git", "https://github.com/owner/app.git"],
  ["HTTPS://GitHub.com:443/Owner/App", "https://github.com/Owner/App.git"],
  ["https://git.example:8443/group/sub/app", "https://git.example:8443/group/sub/app"],
  ["http://127.0.0.1:4104/demo/app.git", "http://127.0.0.1:4104/demo/app.git"],
])("%s is %s", (input, url) => {
  expect(resolveRepository(input, hosts)).toBe(url);
});

const codeOf = (input: string, among = hosts) => {
  try {
    return resolveRepository(input, among);
  } catch (error) {
    return error instanceof AppError ? error.code : error;
  }
};

it.each([
  "",
  " ",
  "/",
  "a/",
  "/a",
  "../a",
  "a/..",
  "a/../b",
  "-a/b",
  "a/-b",
  ".a/b",
  "owner/app/more",
  "file:///etc/passwd",
  "/etc/passwd",
  "ssh://git@github.com/a/b",
  "git@github.com:a/b.git",
  "ext::sh -c id",
  "https://",
  "https://github.com",
  "https://github.com/",
  "https://github.com/owner",
  "https://github.com/a//b",
  "https://github.com/a/../b",
  "https://github.com/a/./b",
  "https://github.com/a/%2e%2e/b",
  "https://github.com/a/b?x=1",
  "https://github.com/a/b#x",
  "https://user@github.com/a/b",
  "https://user:pass@github.com/a/b",
  "https://github.com\\@evil.example/a/b",
  "https://github.com/a/b\nc",
  "https://github.com/a/b\u0000",
  "https:/github.com/a/b",
  "https:github.com/a/b",
  "javascript:alert(1)",
  "a b",
  "https://github.com/-u/app",
  `a/${"b".repeat(600)}`,
])("%j is no repository", (input) => {
  expect(codeOf(input)).toBe("validation_failed");
});

it.each([
  "https://evil.example/a/b",
  "http://github.com/a/b",
  "https://github.com:8443/a/b",
  "https://github.com.evil.example/a/b",
  "https://127.0.0.1:4104/a/b",
  "http://127.0.0.1:4105/a/b",
  "http://localhost:4104/a/b",
  "http://169.254.169.254/latest/meta-data",
  "https://[::1]/a/b",
  "https://git.example/a/b",
])("%s is on no host of ours", (input) => {
  expect(codeOf(input)).toBe("repo_not_allowed");
});

it("has no place for names without a host or default owner", () => {
  expect(codeOf("app", [host({})])).toBe("validation_failed");
  expect(codeOf("owner/app", [])).toBe("repo_not_allowed");
});
