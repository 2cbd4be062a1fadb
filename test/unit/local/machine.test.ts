import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localise, localiseAll } from "../../../infra/local/dns.ts";
import { lockState, requireFreeState } from "../../../infra/local/state-lock.ts";

describe("local addresses", () => {
  const addresses = {
    httpApis: { api1: "http://127.0.0.1:50000" },
    webSocketApis: { ws1: "127.0.0.1:50001" },
    awsEndpoint: "http://127.0.0.1:50003",
    ports: { 4104: 50004 },
  };
  it.each([
    ["https://api1.execute-api.us-east-1.amazonaws.com", "http://127.0.0.1:50000"],
    ["https://api1.execute-api.us-east-1.amazonaws.com/path", "http://127.0.0.1:50000/path"],
    ["wss://ws1.execute-api.us-east-1.amazonaws.com/v1", "ws://127.0.0.1:50001/v1"],
    ["https://ws1.execute-api.us-east-1.amazonaws.com/v1", "http://127.0.0.1:50001/v1"],
    ["https://sqs.us-east-1.amazonaws.com/000000000000/Q", "http://127.0.0.1:50003/000000000000/Q"],
    [`[{"origin":"http://127.0.0.1:4104"}]`, `[{"origin":"http://127.0.0.1:50004"}]`],
    ["http://localhost:4104 http://127.0.0.1:9999", "http://localhost:50004 http://127.0.0.1:9999"],
    ["https://github.com", "https://github.com"],
    ["arn:aws:sqs:us-east-1:000000000000:Q", "arn:aws:sqs:us-east-1:000000000000:Q"],
  ])("%s", (from, to) => expect(localise(from, addresses)).toBe(to));
  it("are put into every text of a value", () => {
    expect(localiseAll({ a: ["http://127.0.0.1:4104", 1, null], b: { c: true } }, addresses)).toEqual({
      a: ["http://127.0.0.1:50004", 1, null],
      b: { c: true },
    });
  });
  it("do not exist for an API of another stack", () => {
    expect(() => localise("https://other.execute-api.us-east-1.amazonaws.com", addresses)).toThrow(
      "is no API of this template",
    );
  });
});

describe("the state's lock", () => {
  const directory = mkdtempSync(join(tmpdir(), "state-lock-"));
  const file = join(directory, "lock");
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("is held until it is let go", () => {
    const unlock = lockState(directory);
    expect(() => lockState(directory)).toThrow("SANDBOX_STATE_DIR");
    expect(() => requireFreeState(directory)).toThrow(`process ${process.pid}`);
    unlock();
    expect(existsSync(file)).toBe(false);
    requireFreeState(directory);
  });

  it("counts for nothing once its process is gone, or its id belongs to another", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.once("close", resolve));
    writeFileSync(file, `${child.pid} 1`);
    lockState(directory)();
    writeFileSync(file, `${process.pid} 1`);
    const unlock = lockState(directory);
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^${process.pid} (?!1$)`));
    unlock();
  });

  it.each(["", "nonsense", "0 1", "-1 1"])("survives a damaged file: %j", (text) => {
    writeFileSync(file, text);
    lockState(directory)();
  });
});
