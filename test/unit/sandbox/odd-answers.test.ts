import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { request, type RequestOptions } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkProxy } from "../../../containers/sandbox/src/proxy/proxy.ts";
import { PreviewServer } from "../../../containers/sandbox/src/supervisor/preview-server.ts";

/** What people's servers, and strangers', may answer: no status that Node would send. */
const odd = ["HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 101 Odd\r\n\r\n"];

let answer = "";
let app: Server;
let port = 0;
beforeAll(async () => {
  app = createServer((socket) => void socket.on("error", () => undefined).once("data", () => socket.end(answer)));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  port = (app.address() as AddressInfo).port;
});
afterAll(() => app.close());

function statusOf(options: RequestOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...options, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.setTimeout(2_000, () => asked.destroy(new Error("no answer")));
    asked.on("error", reject).end();
  });
}

const dialled = () =>
  new Promise<ReturnType<typeof connect>>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
  });

it("of a preview's app are answered in its place, and the supervisor lives on", async () => {
  const preview = new PreviewServer({ key: () => "key", dialPort: dialled });
  const at = await preview.listen(0, "127.0.0.1");
  const headers = { "x-sandbox-preview-key": "key", "x-sandbox-port": "3000" };
  const statuses = [];
  for (answer of odd) statuses.push(await statusOf({ host: "127.0.0.1", port: at, headers }));
  preview.close();
  expect(statuses).toEqual([502, 502, 502]);
});

it("of a host behind the proxy are answered in its place, and the proxy lives on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "odd-"));
  const socketPath = join(folder, "proxy.sock");
  const proxy = new NetworkProxy({ addressesOf: async () => ["127.0.0.1"], mayReach: () => true });
  proxy.setRules({ policy: "open", allow: [] });
  await proxy.listen(socketPath);
  const statuses = [];
  for (answer of odd) statuses.push(await statusOf({ socketPath, path: `http://example.com:${port}/` }));
  proxy.close();
  rmSync(folder, { recursive: true, force: true });
  expect(statuses).toEqual([502, 502, 502]);
});
