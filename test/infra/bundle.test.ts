import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { defaultProvider } from "../../functions/live/env-credentials.ts";
import { bundle, functionEntries, overLimit } from "../../scripts/bundle.ts";
import { errorClasses } from "../../scripts/slim.ts";

const run = promisify(execFile);

/** Stands for the sources of the whole project: what each entry holds does not matter here. */
function project(): string {
  const root = mkdtempSync(join(tmpdir(), "platform-bundle-"));
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  const sources = [...Object.values(functionEntries), "shared/errors.ts", "infra/app.ts"];
  const programs = ["supervisor", "toolbox"].map((name) => `containers/sandbox/src/${name}/main.ts`);
  for (const path of [...sources, ...programs]) write(root, path, "export const handler = async () => 1;\n");
  write(root, "containers/sandbox/Dockerfile", "FROM scratch\n");
  write(root, "containers/sandbox/package.json", "{}\n");
  write(root, "package-lock.json", "{}\n");
  cpSync("functions/live/env-credentials.ts", join(root, "functions/live/env-credentials.ts"), { recursive: true });
  return root;
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

let root: string;
beforeEach(() => {
  root = project();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const bundleOf = (id: string) => join(root, "dist/functions", id, "index.mjs");

describe("a build", () => {
  test("makes one bundle for each function and program, the image's directory, and the sizes", async () => {
    const sizes = await bundle({ root });
    const wanted = Object.keys(functionEntries).map((id) => `functions/${id}/index.mjs`);
    expect(Object.keys(sizes).sort()).toEqual(
      [...wanted, "infra/app.cjs", "sandbox/supervisor.mjs", "sandbox/toolbox.mjs"].sort(),
    );
    for (const file of ["Dockerfile", "package.json", "supervisor.mjs", "toolbox.mjs"]) {
      expect(existsSync(join(root, "dist/sandbox", file))).toBe(true);
    }
    expect(JSON.parse(readFileSync(join(root, "dist/sizes.json"), "utf8"))).toEqual(sizes);
    // Maps lie elsewhere, or they would be part of what is uploaded.
    expect(existsSync(`${bundleOf("Http")}.map`)).toBe(false);
    expect(existsSync(join(root, "dist/maps/functions/Http/index.mjs.map"))).toBe(true);
  });

  test("is not repeated while nothing changed, and is after any change of a source", async () => {
    await bundle({ root });
    write(root, "dist/functions/Http/index.mjs", readFileSync(bundleOf("Http"), "utf8").replaceAll("1", "7"));
    await bundle({ root });
    expect(readFileSync(bundleOf("Http"), "utf8")).toContain("7");
    write(root, "shared/errors.ts", "export const changed = true;\n");
    await bundle({ root });
    expect(readFileSync(bundleOf("Http"), "utf8")).not.toContain("7");
  });

  test("is repeated where a bundle is gone or cut", async () => {
    const sizes = await bundle({ root });
    rmSync(bundleOf("Turn"));
    write(root, "dist/functions/Http/index.mjs", "");
    expect(await bundle({ root })).toEqual(sizes);
    expect(readFileSync(bundleOf("Turn"), "utf8")).toContain("handler");
    expect(readFileSync(bundleOf("Http"), "utf8")).toContain("handler");
  });

  test("that fails does not pass for the one before it", async () => {
    await bundle({ root });
    write(root, functionEntries.Turn, "this is no TypeScript");
    await expect(bundle({ root })).rejects.toThrow("functions/turn/step.ts:1");
    await expect(bundle({ root })).rejects.toThrow("functions/turn/step.ts:1");
  });

  test("names every entry that does not exist", async () => {
    rmSync(join(root, functionEntries.Turn));
    rmSync(join(root, "containers/sandbox/Dockerfile"));
    await expect(bundle({ root })).rejects.toThrow("missing: functions/turn/step.ts, containers/sandbox/Dockerfile");
  });
});

test("bundles over their goal are named with both figures", () => {
  const sizes = {
    "functions/Http/index.mjs": 716_801,
    "functions/Turn/index.mjs": 1_000_000,
    "functions/Connect/index.mjs": 409_601,
  };
  expect(overLimit(sizes)).toEqual([
    "functions/Http/index.mjs: 701 KB, 700 KB wanted",
    "functions/Connect/index.mjs: 401 KB, 400 KB wanted",
  ]);
});

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));

/** Each of the SDK's clients, refused. */
const errorsProgram = `
  import { HeadObjectCommand, S3Client, S3ServiceException } from "@aws-sdk/client-s3";
  import { InvokeCommand, LambdaClient, LambdaServiceException } from "@aws-sdk/client-lambda";
  import { GetSecretValueCommand, ResourceNotFoundException, SecretsManagerClient, SecretsManagerServiceException } from "@aws-sdk/client-secrets-manager";
  const once = { maxAttempts: 1 };
  const refused = async (client, command, Service, Class) => {
    const error = await client.send(command).catch((error) => error);
    const message = error.message === "UnknownError" ? undefined : error.message;
    const status = error.$metadata.httpStatusCode;
    return { name: error.name, status, isOfService: error instanceof Service, isOfClass: Class && error instanceof Class, message };
  };
  console.log(JSON.stringify([
    await refused(new S3Client({ ...once, forcePathStyle: true }), new HeadObjectCommand({ Bucket: "b", Key: "k" }), S3ServiceException),
    await refused(new LambdaClient(once), new InvokeCommand({ FunctionName: "f" }), LambdaServiceException),
    await refused(new SecretsManagerClient(once), new GetSecretValueCommand({ SecretId: "s" }), SecretsManagerServiceException, ResourceNotFoundException),
  ]));
`;

describe("the smaller SDK of the bundles", () => {
  /** What an ElectroDB entity does through it, against a stand-in for the table's endpoint. */
  const program = `
    import { Entity } from "electrodb";
    import { liveTable } from ${JSON.stringify(resolve("functions/live/parts.ts"))};
    const { client } = liveTable(process.env);
    const Note = new Entity({
      model: { entity: "note", version: "1", service: "test" },
      attributes: { id: { type: "string", required: true }, text: { type: "string" }, tags: { type: "set", items: "string" } },
      indexes: { primary: { pk: { field: "pk", composite: ["id"] }, sk: { field: "sk", composite: [] } } },
    }, { client, table: "t" });
    const put = await Note.put({ id: "a", text: "b", tags: ["x"] }).go();
    const got = await Note.get({ id: "a" }).go();
    const listed = await Note.query.primary({ id: "a" }).go();
    const conflict = await Note.create({ id: "taken" }).go().catch((error) => error.cause);
    console.log(JSON.stringify({ put: put.data, got: got.data, listed: listed.data, conflict: conflict.name }));
  `;
  const item = {
    pk: { S: "$test#id_a" },
    sk: { S: "$note_1" },
    id: { S: "a" },
    text: { S: "b" },
    __edb_e__: { S: "note" },
    __edb_v__: { S: "1" },
  };

  test("does what ElectroDB asks of it, with the environment's credentials and session token", async () => {
    const seen: { action: string; authorization: string; token: string }[] = [];
    const server = createServer((request, response) => {
      const action = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
      seen.push({
        action,
        authorization: String(request.headers.authorization),
        token: String(request.headers["x-amz-security-token"]),
      });
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        response.setHeader("content-type", "application/x-amz-json-1.0");
        const isTaken = Buffer.concat(chunks).toString("utf8").includes("taken");
        if (isTaken) {
          response.statusCode = 400;
          return response.end(
            JSON.stringify({
              __type: "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
              message: "no",
            }),
          );
        }
        return response.end(
          JSON.stringify(action === "GetItem" ? { Item: item } : action === "Query" ? { Items: [item], Count: 1 } : {}),
        );
      });
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      write(root, functionEntries.Turn, program);
      await bundle({ root });
      const { port } = server.address() as AddressInfo;
      const env = {
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY: "secret",
        AWS_SESSION_TOKEN: "session-token",
        TABLE_NAME: "t",
        TABLE_URL: `http://127.0.0.1:${port}`,
      };
      const { stdout } = await run(process.execPath, [bundleOf("Turn")], { env });
      expect(JSON.parse(stdout)).toEqual({
        put: { id: "a", text: "b", tags: ["x"] },
        got: { id: "a", text: "b" },
        listed: [{ id: "a", text: "b" }],
        conflict: "ConditionalCheckFailedException",
      });
      expect(seen.map(({ action }) => action)).toEqual(["PutItem", "GetItem", "Query", "PutItem"]);
      for (const { authorization, token } of seen) {
        expect(authorization).toContain("Credential=AKIDEXAMPLE/");
        expect(token).toBe("session-token");
      }
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  }, 30_000);

  test("keeps the errors that our code knows by their class", () => {
    const known = ["functions", "shared"].flatMap((directory) =>
      filesBelow(directory).flatMap((path) => {
        const imports = readFileSync(path, "utf8").matchAll(
          /import (?:type )?\{([^}]*)\} from "@aws-sdk\/client-[\w-]+"/g,
        );
        return [...imports].flatMap(([, names = ""]) => [...names.matchAll(/\b\w+Exception\b/g)].map(([name]) => name));
      }),
    );
    // The base class of a service is that of all its errors.
    const wanted = known.filter((name) => !name.endsWith("ServiceException"));
    expect(wanted.length).toBeGreaterThan(3);
    expect(wanted.filter((name) => !errorClasses.has(name))).toEqual([]);
  });

  test("gives any other error its name, message and status, and its service's class", async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.method === "HEAD" ? 404 : 429;
      if (request.url?.startsWith("/2015")) response.setHeader("x-amzn-errortype", "TooManyRequestsException");
      const isSecret = request.headers["x-amz-target"] === "secretsmanager.GetSecretValue";
      const refusal = isSecret ? { __type: "ResourceNotFoundException", Message: "no" } : { message: "slow" };
      response.end(request.method === "HEAD" ? "" : JSON.stringify(refusal));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      write(root, functionEntries.Turn, errorsProgram);
      await bundle({ root });
      const AWS_ENDPOINT_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "us-east-1" };
      const { stdout } = await run(process.execPath, [bundleOf("Turn")], { env: { ...credentials, AWS_ENDPOINT_URL } });
      expect(JSON.parse(stdout)).toEqual([
        { name: "NotFound", status: 404, isOfService: true },
        { name: "TooManyRequestsException", status: 429, isOfService: true, message: "slow" },
        { name: "ResourceNotFoundException", status: 429, isOfService: true, isOfClass: true, message: "no" },
      ]);
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  });

  test("takes credentials from the environment only, and says when there are none", async () => {
    const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] as const;
    const before = names.map((name) => [name, process.env[name]] as const);
    try {
      for (const name of names) delete process.env[name];
      await expect(defaultProvider()()).rejects.toThrow("no AWS credentials in the environment");
      process.env["AWS_ACCESS_KEY_ID"] = "id";
      process.env["AWS_SECRET_ACCESS_KEY"] = "key";
      await expect(defaultProvider()()).resolves.toEqual({ accessKeyId: "id", secretAccessKey: "key" });
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });
});
