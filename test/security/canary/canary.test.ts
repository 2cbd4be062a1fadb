import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { importRepository } from "../../../infra/local/git-host/repositories.ts";
import { signUp, type Person } from "../../support/local-platform.ts";
import { startPuppet, type Puppet, type PuppetSession } from "../../support/puppet.ts";
import { containerKeys, environmentOf, foundBelow, type Needle, storedSecrets, turned } from "./needles.ts";

jest.setTimeout(300_000);

const canary = (what: string) => `canary-${what}-${randomBytes(12).toString("hex")}`;
const modelKey = canary("model-key");
const unnamed = canary("unnamed-secret");
const named = canary("named-secret");
const others = canary("other-session");
const program = readFileSync(resolve(import.meta.dirname, "../../support/sandbox-programs/canary-scan.mjs"), "utf8");

let puppet: Puppet;
let person: Person;
let session: PuppetSession;
let stranger: PuppetSession;
let needles: Needle[] = [];

interface Scan {
  found: string[];
  counts: Record<"files" | "processes" | "mapped" | "sockets" | "bytes", number>;
}

beforeAll(async () => {
  ({ puppet, person } = await startPuppet({ modelApiKey: modelKey }));
  const { platform } = puppet.local;
  await importRepository({ directory: platform.gitDir, source: null, repository: "demo/canary" });
  const other = await signUp(platform);
  await other.api.call("PUT", "/secrets/OTHERS", { value: others });
  stranger = await puppet.session(other);
  await stranger.bash(`echo ${others} > mine.txt`);
  await person.api.call("PUT", "/secrets/UNNAMED", { value: unnamed });
  await person.api.call("PUT", "/secrets/NAMED", { value: named });
  session = await puppet.session(person, { repo: "demo/canary" });
  const environment = { KEY: { secret: "NAMED" } };
  await person.api.call("PATCH", `/sessions/${session.id}`, { sbx_config: { environment } });
  // One with a push, so that its token has been there; a large result, which went by a presigned URL; one with the secret.
  await session.bash(
    "echo work > work.txt; git init -q . && git add -A && git -c user.name=x -c user.email=x@x commit -qm own",
  );
  await session.bash("seq 1 60000; echo work >> work.txt");
  await session.bash('echo "the key: $KEY"; echo "$KEY" | rev; printf %s "$KEY" > /dev/null');
  await person.api.call("PUT", `/sessions/${session.id}/files/by-user.txt`, { content: "x", if_hash: null });
  await person.api.call("POST", `/sessions/${session.id}/files/download`, { path: "work.txt" });
  needles = await known();
});
afterAll(() => puppet.stop());

/** Everything that is secret in this run, as its holder has it, and how such things begin. */
async function known(): Promise<Needle[]> {
  const { platform, stateDir } = puppet.local;
  const boot = environmentOf(session.sandbox.supervisor)["BOOT_SECRET"];
  const keys = await containerKeys(platform);
  return [
    { name: "model key", text: modelKey },
    { name: "a tenant secret that the session does not name", text: unnamed },
    { name: "another session's data", text: others },
    { name: "password", text: person.password },
    { name: "access token", text: person.account.access_token },
    { name: "refresh token", text: person.account.refresh_token },
    { name: "operator's key", text: platform.operatorKey.secretAccessKey },
    { name: "boot secret", text: boot ?? "" },
    { name: "BOOT_SECRET as a variable", text: "BOOT_SECRET=" },
    { name: "a signed token (EdDSA)", text: Buffer.from('{"alg":"EdDSA"').toString("base64url").slice(0, 18) },
    { name: "a push token", text: Buffer.from('{"repo":"demo/canary"').toString("base64url").slice(0, 26) },
    { name: "a presigned URL", text: "X-Amz-Signature=" },
    ...storedSecrets(stateDir),
    ...keys,
  ];
}

const reveal = (text: string) => turned([{ name: "", text }])[0]?.text ?? "";

async function scan(before = "true", wanted = needles): Promise<Scan> {
  const input = JSON.stringify({ needles: turned(wanted) });
  const acts = [
    { name: "write", input: { file_path: "/workspace/.scan/input.json", content: input } },
    { name: "write", input: { file_path: "/workspace/.scan/scan.mjs", content: program } },
    {
      name: "bash",
      input: { command: `${before}\nnode .scan/scan.mjs < .scan/input.json; rm -rf .scan`, timeout_ms: 110_000 },
    },
  ];
  const output = (await session.act([acts])).at(-1)?.output ?? "";
  const told = /^SCANNED (.*)$/m.exec(output)?.[1];
  if (!told) throw new Error(`the scan did not end: ${output.slice(-2000)}`);
  return JSON.parse(told) as Scan;
}

test("the needles are known, and where they belong they are found", async () => {
  expect(needles.filter(({ text }) => text.length < 10)).toEqual([]);
  expect(needles.length).toBeGreaterThan(18);
  const folder = mkdtempSync(join(tmpdir(), "canary-"));
  writeFileSync(join(folder, "log"), needles.map(({ text }) => text).join("\n"));
  expect(foundBelow(folder, needles)).toHaveLength(needles.length);
  rmSync(folder, { recursive: true, force: true });
  expect(foundBelow(puppet.local.stateDir, needles.slice(2, 3)).join("\n")).toContain("mine.txt");
});

test("the scan finds what is planted: in a file, a name, an environment, a command line, memory, a link, a socket's name", async () => {
  // None of the real ones: what is found is told, and would be found again.
  const decoy = { name: "decoy", text: canary("decoy") };
  const text = reveal(decoy.text);
  const open = `t=$(node -e 'process.stdout.write(Buffer.from("${text}","base64").map(b=>b^0x5a))')`;
  const places = [
    `${open}; mkdir -p ~/deep/er; printf %s "$t" > ~/deep/er/file; printf %s "$t" > /dev/shm/file; ln -s "$t" /tmp/planted-link; touch "/tmp/name-$t"`,
    `(X="$t" setsid sleep 120 & setsid bash -c "sleep 119; : $t" & unset t) >/dev/null 2>&1`,
    `(setsid node -e 'const b=Buffer.from("${text}","base64").map(b=>b^0x5a);globalThis.kept=Buffer.from(b);require("net").createServer().listen("\\0"+kept);setTimeout(()=>process.exit(),120000)' >/dev/null 2>&1 &) ; sleep 0.7`,
  ];
  const { found } = await scan(places.join("\n"), [decoy]);
  const by = (where: RegExp) => found.filter((line) => line.startsWith("decoy") && where.test(line)).length > 0;
  const seen = {
    file: by(/deep\/er\/file/),
    sharedMemory: by(/\/dev\/shm\/file/),
    link: by(/planted-link/),
    name: by(/the name \/tmp\/name-/),
    environment: by(/\/environ$/),
    commandLine: by(/\/cmdline$/),
    memory: by(/\/mem /),
    socket: by(/net\/unix/),
  };
  const all = {
    file: true,
    sharedMemory: true,
    link: true,
    name: true,
    environment: true,
    commandLine: true,
    memory: true,
  };
  expect({ ...seen, found }).toEqual({ ...all, socket: true, found });
  const clean =
    "pkill -f 'sleep 1(20|19)'; for p in /proc/[0-9]*; do grep -qa createServer $p/cmdline 2>/dev/null && kill -9 ${p#/proc/}; done; rm -rf ~/deep /dev/shm/file /tmp/planted-link /tmp/name-*; unset t; true";
  await session.act([
    [
      { name: "bash", input: { command: clean } },
      { name: "bash", input: { restart: true } },
    ],
  ]);
});

test("nothing that code in the sandbox can read holds a secret", async () => {
  const { found, counts } = await scan();
  console.info(`canary: ${needles.length} needles, ${JSON.stringify(counts)}`);
  expect({ found, counts }).toEqual({ found: [], counts });
  expect(counts.files).toBeGreaterThan(20);
  expect(counts.processes).toBeGreaterThan(2);
  expect(counts.mapped).toBeGreaterThan(1024 * 1024);
  expect(counts.sockets).toBeGreaterThan(0);
});

test("no log, no object, no checkpoint, no event, no prompt holds a secret; the tenants' are sealed at rest", async () => {
  const { platform, stateDir, lines } = puppet.local;
  const { data: checkpoints } = await person.api.call<{ data: { push_status: string }[] }>(
    "GET",
    `/sessions/${session.id}/checkpoints`,
  );
  expect(checkpoints.some(({ push_status }) => push_status === "pushed")).toBe(true);
  // The control case went through a command's text: what the model was told to say is no leak.
  const secret = [...needles, { name: "a tenant secret that the session names", text: named }];
  const isOthersOwn = (line: string) => line.startsWith("another session's data") && line.includes(stranger.id);
  const places = ["logs", "objects", "git"].map((name) => join(stateDir, name));
  const stored = places.flatMap((folder) => foundBelow(folder, secret)).filter((line) => !isOthersOwn(line));
  expect(stored).toEqual([]);
  expect(foundBelow(session.sandbox.workspace, secret)).toEqual([]);

  const events = await person.api.call("GET", `/sessions/${session.id}/events?limit=500`);
  const rows = [
    ["events", JSON.stringify(events)],
    ["frames", JSON.stringify(session.socket.events)],
    ["log lines", lines.join("\n")],
    [
      "prompts",
      JSON.stringify(
        platform.rehearsal
          ?.calls()
          .map(({ body }) => body)
          .filter((body) => !JSON.stringify(body).includes(others)),
      ),
    ],
  ] as const;
  const told = rows.flatMap(([where, text]) =>
    secret.filter((each) => text.includes(each.text)).map(({ name }) => `${name} in ${where}`),
  );
  expect(told).toEqual([]);
  const sealed = [unnamed, named, modelKey].map((text) => ({ name: text.slice(0, 20), text }));
  expect(foundBelow(join(stateDir, "tables"), sealed)).toEqual([]);
});
