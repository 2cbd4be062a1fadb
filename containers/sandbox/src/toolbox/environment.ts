import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, sep } from "node:path";

const systemPath = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);
/** What of the process's environment the shell may see. */
const passedOn = [
  "PATH",
  "LANG",
  "TZ",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "NODE_USE_ENV_PROXY",
];

type Variables = Record<string, string | undefined>;

/** The environment of people's commands: nothing but what is named here. HOME is outside the workspace. */
export function shellEnvironment(variables: Variables, workspace: string): Record<string, string> {
  const environment: Record<string, string> = { PATH: systemPath, LANG: "C.UTF-8", TERM: "dumb" };
  for (const name of passedOn) {
    const value = variables[name];
    if (value) environment[name] = value;
  }
  environment["HOME"] = homeDirectory(variables["HOME"], workspace);
  return environment;
}

function homeDirectory(wanted: string | undefined, workspace: string): string {
  if (wanted && isUsable(wanted) && wanted !== workspace && !wanted.startsWith(workspace + sep)) return wanted;
  const home = join(tmpdir(), "home");
  mkdirSync(home, { recursive: true });
  return home;
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The folder of the packaged ripgrep, or null: then the SDK's grep takes the system's, or searches by itself. */
export async function ripgrepDirectory(): Promise<string | null> {
  try {
    const { rgPath } = await import("@vscode/ripgrep");
    return existsSync(rgPath) ? dirname(rgPath) : null;
  } catch {
    return null;
  }
}
