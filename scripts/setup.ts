import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

interface Requirement {
  program: string;
  /** Of Debian and Ubuntu. */
  aptPackage: string;
  purpose: string;
}

const requirements: Requirement[] = [
  { program: "git", aptPackage: "git", purpose: "serves the demo repositories" },
  { program: "bwrap", aptPackage: "bubblewrap", purpose: "isolates the sandboxes" },
  { program: "setpriv", aptPackage: "util-linux", purpose: "gives each container its user" },
];

const aptGet = "/usr/bin/apt-get";
const aptLimitMs = 180_000;
const isPresent = ({ program }: Requirement) =>
  spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;

/** What `npm start`, `npm test` and the demo need of this machine beside npm packages. Installs it where it may. Never fails. */
function main(): void {
  if (process.platform !== "linux") {
    return say("the sandboxes of one machine need Linux; everything else works here");
  }
  const missing = requirements.filter((requirement) => !isPresent(requirement));
  if (missing.length > 0) provide(missing);
  if (isPresent({ program: "bwrap", aptPackage: "", purpose: "" })) checkNamespaces();
}

function provide(missing: Requirement[]): void {
  const packages = missing.map((requirement) => requirement.aptPackage);
  if (process.getuid?.() === 0 && existsSync(aptGet)) {
    say(`installing ${packages.join(", ")} ...`);
    if (installWithApt(packages) && missing.every(isPresent)) return;
    say("that did not work");
  }
  for (const { program, purpose } of missing) say(`${program} is missing: it ${purpose}`);
  say(`install with: sudo apt-get update && sudo apt-get install -y ${packages.join(" ")}`);
}

function installWithApt(packages: string[]): boolean {
  const apt = (...args: string[]) =>
    spawnSync(aptGet, args, {
      stdio: "ignore",
      timeout: aptLimitMs,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    }).status === 0;
  const install = () => apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
  return install() || (apt("update", "-qq") && install());
}

/** Some systems forbid namespaces to ordinary users, and most containers to everyone. */
function checkNamespaces(): void {
  const user = process.getuid?.() === 0 ? [] : ["--unshare-user"];
  const { status, stderr } = spawnSync(
    "bwrap",
    [...user, "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true"],
    {
      encoding: "utf8",
    },
  );
  if (status === 0) return;
  say(`bubblewrap cannot make namespaces here (${stderr.trim()})`);
  say(
    "inside a container: give it --privileged; on Ubuntu: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  );
}

function say(line: string): void {
  console.error(`setup: ${line}`);
}

try {
  main();
} catch (error) {
  say(String(error));
}
