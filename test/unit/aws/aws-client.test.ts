import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { PutCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { createAuthenticate } from "../../../infra/local/aws/endpoint.ts";
import { closeServer, listenOnLoopback, readBody } from "../../../infra/local/gateway/loopback.ts";
import { createAccessKeys, operatorRole } from "../../../infra/local/iam/access-keys.ts";
import { AwsClient } from "../../../shared/adapters/aws/aws-client.ts";
import { tableClient } from "../../../shared/adapters/aws/table-client.ts";
import { randomIds } from "../../../shared/adapters/random-ids.ts";
import { apiGatewaySockets } from "../../../shared/adapters/sockets-api-gateway.ts";
import { silentLog } from "../../support/fakes.ts";

type Reaction = (response: ServerResponse) => void;
const refuses =
  (status: number, name: string): Reaction =>
  (response) =>
    response.writeHead(status).end(JSON.stringify({ __type: `com.amazonaws#${name}`, message: "no" }));
const accepts: Reaction = (response) => response.end("{}");
const breaks: Reaction = (response) => response.destroy();
const saysNothing: Reaction = () => undefined;
const isCut: Reaction = (response) => {
  response.writeHead(200, { "content-length": 10 }).write("{");
  setImmediate(() => response.destroy());
};

const reactions: Reaction[] = [];
const bodies: string[] = [];
const paths: string[] = [];
const pauses: number[] = [];
let refused = 0;
const keys = createAccessKeys([operatorRole], () => undefined);
const authenticate = createAuthenticate(keys, Date.now, () => (refused += 1));
const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readBody(request, 1e6)) ?? Buffer.alloc(0);
  bodies.push(body.toString());
  paths.push(`${request.method} ${request.url}`);
  authenticate(request, body);
  (reactions.shift() ?? accepts)(response);
}

let client: AwsClient;
beforeAll(async () => {
  client = new AwsClient({
    endpoint: `http://127.0.0.1:${await listenOnLoopback(server, 0)}`,
    region: "us-east-1",
    service: "dynamodb",
    credentials: async () => keys.ofRole(operatorRole.id),
    clock: { now: Date.now, sleep: async (ms) => void pauses.push(ms) },
    ids: { random: () => 0.5 },
    silenceMs: 500,
  });
});
beforeEach(() => [reactions, bodies, paths, pauses].forEach((list) => list.splice(0)));
afterEach(() => expect(refused).toBe(0));
afterAll(async () => {
  client.destroy();
  await closeServer(server);
});

const put = () => tableClient(client, randomIds).send(new PutCommand({ TableName: "any", Item: { pk: "ü" } }));

test.each([
  ["a connection that breaks", breaks, [50, 100]],
  ["an answer that is cut", isCut, [50, 100]],
  ["a service that says nothing", saysNothing, [50, 100]],
  ["a failure of the service", refuses(500, "InternalServerError"), [50, 100]],
  ["a service that is away", refuses(503, "ServiceUnavailable"), [50, 100]],
  ["a throttle", refuses(400, "ProvisionedThroughputExceededException"), [250, 500]],
])("%s is tried again, twice", async (_name, fails, waits) => {
  reactions.push(fails, fails, accepts);
  await put();
  reactions.push(fails, fails, fails, accepts);
  await expect(put()).rejects.toThrow();
  expect(pauses).toEqual([...waits, ...waits]);
  expect(bodies).toHaveLength(6);
});

test("what DynamoDB decided is not asked again", async () => {
  reactions.push(refuses(400, "ConditionalCheckFailedException"));
  await expect(put()).rejects.toMatchObject({ name: "ConditionalCheckFailedException", message: "no", status: 400 });
  reactions.push((response) => response.writeHead(403).end("<html>a proxy</html>"));
  await expect(put()).rejects.toMatchObject({ name: "HTTP 403" });
  expect(bodies).toHaveLength(2);
});

test("a transaction that is tried again bears the same token, another one another", async () => {
  const transact = () =>
    tableClient(client, randomIds).send(
      new TransactWriteCommand({ TransactItems: [{ Delete: { TableName: "any", Key: { pk: "1" } } }] }),
    );
  reactions.push(breaks);
  await transact();
  await transact();
  const tokens = bodies.map((body) => (JSON.parse(body) as { ClientRequestToken: string }).ClientRequestToken);
  expect(tokens[0]).toEqual(expect.any(String));
  expect(tokens[1]).toBe(tokens[0]);
  expect(tokens[2]).not.toBe(tokens[0]);
});

test("a message to a socket: sent, slow or gone, under a path that is signed", async () => {
  const sockets = apiGatewaySockets(client, "/prod", silentLog);
  const gone: Reaction = (response) => response.writeHead(410, { "x-amzn-errortype": "GoneException:" }).end();
  const slow = refuses(429, "LimitExceededException");
  expect(await sockets.post("L0SM9c+/w=", "hi")).toBe("sent");
  reactions.push(gone);
  expect(await sockets.post("a", "hi")).toBe("gone");
  reactions.push(slow, slow, slow);
  expect(await sockets.post("a", "hi")).toBe("slow");
  await sockets.close("a");
  expect(paths[0]).toBe("POST /prod/@connections/L0SM9c%2B%2Fw%3D");
  expect(paths.at(-1)).toBe("DELETE /prod/@connections/a");
});
