import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";

// Runs inside the network namespace of `startDynamoDbLocal`: starts the jar and bridges a Unix socket to its port.
const [socketPath, jarDirectory] = process.argv.slice(2);
const port = 8000;
const flags = [
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  "-Xshare:auto",
  "-Xmx256m",
  "-Djava.library.path=./DynamoDBLocal_lib",
];
const options = ["-port", String(port), "-inMemory", "-sharedDb", "-disableTelemetry"];

const java = spawn("java", [...flags, "-jar", "DynamoDBLocal.jar", ...options], {
  cwd: jarDirectory,
  stdio: ["ignore", "ignore", "inherit"],
});
java.once("exit", (code) => process.exit(code ?? 1));

createServer((client) => {
  const server = connect(port, "127.0.0.1");
  client.pipe(server).pipe(client);
  client.once("error", () => server.destroy());
  server.once("error", () => client.destroy());
}).listen(socketPath);
