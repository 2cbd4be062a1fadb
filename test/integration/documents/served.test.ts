import { asyncApiDocument } from "../../../functions/documents/asyncapi.ts";
import { startHttpPlatform, type HttpPlatform } from "../../support/http-platform.ts";
import { openApi } from "../../support/openapi.ts";

let platform: HttpPlatform;
beforeAll(async () => {
  platform = await startHttpPlatform();
});
afterAll(() => platform.stop());

const documents = [
  ["/openapi.json", () => openApi()],
  ["/asyncapi.json", () => asyncApiDocument(platform.deps.facts)],
] as const;

test.each(documents)(
  "%s is what the tests check everything against, for everybody, kept by its tag",
  async (path, document) => {
    const first = await platform.call({ method: "GET", path });
    expect(first).toMatchObject({ status: 200, headers: { "cache-control": "public, max-age=300" } });
    expect(first.body).toEqual(document());
    const etag = first.headers["etag"] ?? "";
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const again = await platform.call({ method: "GET", path, headers: { "if-none-match": etag } });
    expect(again).toMatchObject({ status: 304, text: "", headers: { etag } });
    expect(await platform.call({ method: "GET", path, headers: { "if-none-match": '"older"' } })).toMatchObject({
      status: 200,
    });
  },
);

test("the WebSocket API is where /health says", async () => {
  const { body } = await platform.call({ method: "GET", path: "/health" });
  const { servers, channels } = (await platform.call({ method: "GET", path: "/asyncapi.json" })).body as {
    servers: { sockets: { host: string; protocol: string } };
    channels: { client: { address: string } };
  };
  const { host, protocol } = servers.sockets;
  expect(new URL(`${protocol}://${host}${channels.client.address}`).href).toBe(
    new URL(String(body["websocket_url"])).href,
  );
});
