// A tiny stand-in for both sandbox programs: runs the commands that arrive on its socket, one JSON line each.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const name = process.argv[2];
const socket = `/run/sandbox/${name}.sock`;
process.umask(0o002);
rmSync(socket, { force: true });

function run(command, reply) {
  const child = spawn("bash", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (output = (output + chunk).slice(-100_000)));
  child.on("error", (error) => reply({ code: 127, output: String(error) }));
  child.on("close", (code, signal) => reply({ code: code ?? -1, signal, output }));
}

createServer((connection) => {
  connection.on("error", () => undefined);
  createInterface({ input: connection }).on("line", (line) =>
    run(JSON.parse(line), (result) => connection.end(JSON.stringify(result))),
  );
}).listen(socket, () => console.log(`${name} ready`));

process.on("SIGTERM", () => {
  console.log(`${name} stops`);
  process.exit(0);
});
