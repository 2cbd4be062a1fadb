import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { APIGatewayProxyEventV2 } from "aws-lambda";

import type { InvokeOutcome } from "../../../infra/local/contract.ts";
import { startHttpApi, type HttpApiConfig } from "../../../infra/local/gateway/http-api.ts";
import { fakeFunctions, gate, returned, type Handler } from "./fake-functions.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const nowMs = Date.UTC(2026, 10, 21, 9, 5, 7);

async function start(handler: Handler, config: Partial<HttpApiConfig> = {}) {
  const functions = fakeFunctions({ Http: handler });
  const routes = [{ routeKey: "$default", functionId: "Http", timeoutMs: 30_000 }];
  const api = await startHttpApi(
    { apiId: "abc123", stage: "$default", port: 0, cors: null, routes, ...config },
    functions,
    { now: () => nowMs },
  );
  stops.push(api.stop);
  return { ...api, functions, event: () => functions.event<APIGatewayProxyEventV2>("Http") };
}

interface RawRequest {
  method?: string;
  path: string;
  headers: [string, string][];
  body?: string;
}

/** Node's client, for what `fetch` hides: repeated headers, any Host, undecoded paths. */
function raw(
  url: string,
  { method = "GET", path, headers, body }: RawRequest,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { port: new URL(url).port, host: "127.0.0.1", method, path, headers: headers.flat() },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const answer200 = () => returned({ statusCode: 200 });

describe("the event", () => {
  test("has every field of payload format 2.0", async () => {
    const api = await start(answer200);
    await raw(api.url, {
      method: "POST",
      path: "/a%20b/c?x=1&x=2&y=a%20b&z",
      headers: [
        ["Host", "s1--3000.localhost:4102"],
        ["X-Many", "one"],
        ["x-many", "two"],
        ["Cookie", "a=1; b=2"],
        ["User-Agent", "tester"],
        ["Content-Type", "application/json"],
        ["Content-Length", "13"],
        ["X-Forwarded-For", "9.9.9.9"],
      ],
      body: `{"name":"ä"}`,
    });
    const event = await api.event();
    expect(event).toEqual({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/a b/c",
      rawQueryString: "x=1&x=2&y=a%20b&z",
      cookies: ["a=1", "b=2"],
      headers: {
        "content-length": "13",
        "content-type": "application/json",
        host: "s1--3000.localhost:4102",
        "user-agent": "tester",
        "x-amzn-trace-id": expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/),
        "x-forwarded-for": "9.9.9.9, 127.0.0.1",
        "x-forwarded-port": new URL(api.url).port,
        "x-forwarded-proto": "http",
        "x-many": "one,two",
      },
      queryStringParameters: { x: "1,2", y: "a b", z: "" },
      requestContext: {
        accountId: "000000000000",
        apiId: "abc123",
        domainName: "s1--3000.localhost:4102",
        domainPrefix: "s1--3000",
        http: { method: "POST", path: "/a b/c", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "tester" },
        requestId: expect.stringMatching(/^[\w-]{15}=$/),
        routeKey: "$default",
        stage: "$default",
        time: "21/Nov/2026:09:05:07 +0000",
        timeEpoch: nowMs,
      },
      body: `{"name":"ä"}`,
      isBase64Encoded: false,
    });
  });

  test("leaves out what a request lacks", async () => {
    const api = await start(answer200);
    await fetch(`${api.url}/plain`);
    const event = await api.event();
    expect(Object.keys(event)).toEqual([
      "version",
      "routeKey",
      "rawPath",
      "rawQueryString",
      "headers",
      "requestContext",
      "isBase64Encoded",
    ]);
    expect(event.rawQueryString).toBe("");
  });

  test.each([
    ["application/octet-stream", Buffer.from([0, 255, 1]), true],
    ["application/x-www-form-urlencoded", Buffer.from("a=1"), true],
    ["text/plain", Buffer.from([0xff]), true],
    ["text/plain", Buffer.from("ü"), false],
    ["application/problem+json; charset=utf-8", Buffer.from("{}"), false],
  ])("a body of %s", async (type, body, isBase64Encoded) => {
    const api = await start(answer200);
    await fetch(api.url, { method: "POST", body, headers: { "content-type": type } });
    const event = await api.event();
    expect(event.isBase64Encoded).toBe(isBase64Encoded);
    expect(Buffer.from(event.body ?? "", isBase64Encoded ? "base64" : "utf8")).toEqual(body);
  });

  test("path parameters, decoded, and the stage in front of the path", async () => {
    const routes = [{ routeKey: "GET /files/{id}/{path+}", functionId: "Http", timeoutMs: 1000 }];
    const api = await start(answer200, { stage: "dev", routes });
    expect(api.url).toMatch(/\/dev$/);
    await fetch(`${api.url}/files/7/a%20b/c`);
    const event = await api.event();
    expect(event.pathParameters).toEqual({ id: "7", path: "a b/c" });
    expect(event.rawPath).toBe("/dev/files/7/a b/c");
    expect(event.routeKey).toBe("GET /files/{id}/{path+}");
  });

  test("the decoded path ends at a question mark, as it does on AWS", async () => {
    const api = await start(answer200);
    await fetch(`${api.url}/users/me%3Fadmin=true?q=1`);
    expect(await api.event()).toMatchObject({ rawPath: "/users/me", rawQueryString: "q=1" });
  });
});

describe("the answer", () => {
  test("of a structured result, with cookies and binary", async () => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    const api = await start(() =>
      returned({
        statusCode: 207,
        headers: { "X-A": "1", "content-type": "image/png" },
        cookies: ["a=1; HttpOnly", "b=2"],
        body: bytes.toString("base64"),
        isBase64Encoded: true,
      }),
    );
    const response = await fetch(api.url);
    expect(response.status).toBe(207);
    expect(response.headers.getSetCookie()).toEqual(["a=1; HttpOnly", "b=2"]);
    expect(response.headers.get("x-a")).toBe("1");
    expect(response.headers.get("apigw-requestid")).toBe((await api.event()).requestContext.requestId);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  });

  test("inferred from a bare object", async () => {
    const api = await start(() => returned({ hello: "world" }));
    const response = await fetch(api.url);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ hello: "world" });
  });

  test("has no body where HTTP forbids one", async () => {
    const api = await start(() => returned({ statusCode: 204, body: "ignored" }));
    expect(await (await fetch(api.url)).text()).toBe("");
    const head = await fetch(api.url, { method: "HEAD" });
    expect(head.status).toBe(204);
  });

  test("is a 500 where a header cannot be sent", async () => {
    const api = await start(() => returned({ statusCode: 200, headers: { a: "1", "x-bad": "a\r\nb: c" } }));
    const response = await fetch(api.url);
    expect(response.status).toBe(500);
    expect(response.headers.get("a")).toBeNull();
    expect(await response.json()).toEqual({ message: "Internal Server Error" });
  });

  test("is a 500 when the host fails", async () => {
    const api = await start(() => {
      throw new Error("no worker");
    });
    expect((await fetch(api.url)).status).toBe(500);
  });
});

describe("limits", () => {
  test("an unknown route is a 404, a malformed path a 400", async () => {
    const routes = [{ routeKey: "GET /known", functionId: "Http", timeoutMs: 1000 }];
    const api = await start(answer200, { routes });
    const unknown = await fetch(`${api.url}/other`);
    expect([unknown.status, await unknown.text()]).toEqual([404, `{"message":"Not Found"}`]);
    expect((await raw(api.url, { path: "/%zz", headers: [["Host", "x"]] })).status).toBe(400);
    expect(api.functions.events("Http")).toHaveLength(0);
  });

  test("a body over 10 MB is a 413, and one over Lambda's 6 MB too", async () => {
    const api = await start(answer200);
    const headers = { "content-type": "text/plain" };
    for (const megabytes of [10.1, 6.1]) {
      const response = await fetch(api.url, { method: "POST", headers, body: "a".repeat(megabytes * 1024 * 1024) });
      expect([response.status, await response.text()]).toEqual([413, `{"message":"Request Entity Too Large"}`]);
    }
    expect(api.functions.events("Http")).toHaveLength(0);
    expect((await fetch(api.url, { method: "POST", headers, body: "a".repeat(5.9 * 1024 * 1024) })).status).toBe(200);
  });

  test("headers over 10,240 bytes are a 431", async () => {
    const api = await start(answer200);
    expect((await fetch(api.url, { headers: { "x-long": "a".repeat(10_300) } })).status).toBe(431);
    expect((await fetch(api.url, { headers: { "x-long": "a".repeat(9_000) } })).status).toBe(200);
  });

  test("an integration over its time is a 503", async () => {
    const never = gate<InvokeOutcome>();
    const routes = [{ routeKey: "$default", functionId: "Http", timeoutMs: 60 }];
    const api = await start(() => never.opened, { routes });
    const response = await fetch(api.url);
    expect([response.status, await response.text()]).toEqual([503, `{"message":"Service Unavailable"}`]);
  });

  test("stop frees the port in the middle of a request", async () => {
    const never = gate<InvokeOutcome>();
    const api = await start(() => never.opened);
    const pending = fetch(api.url).catch(() => "cut");
    await api.event();
    await Promise.all([api.stop(), api.stop()]);
    expect(await pending).toBe("cut");
    const again = await startHttpApi(
      { apiId: "a", stage: "$default", port: Number(new URL(api.url).port), routes: [], cors: null },
      api.functions,
    );
    await again.stop();
  });
});

describe("CORS", () => {
  const cors = {
    allowOrigins: ["https://app.example", "http://*"],
    allowMethods: ["GET", "POST"],
    allowHeaders: ["Authorization"],
    exposeHeaders: ["x-a"],
    allowCredentials: true,
    maxAge: 300,
  };
  const preflight = { "access-control-request-method": "POST" };

  test("a preflight is answered without the function", async () => {
    const api = await start(answer200, { cors });
    const response = await fetch(api.url, {
      method: "OPTIONS",
      headers: { ...preflight, origin: "https://app.example" },
    });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": "https://app.example",
      "access-control-allow-methods": "GET,POST",
      "access-control-allow-headers": "authorization",
      "access-control-allow-credentials": "true",
      "access-control-max-age": "300",
    });
    expect(api.functions.events("Http")).toHaveLength(0);
  });

  test("a foreign origin gets no headers, a scheme may be allowed as a whole", async () => {
    const api = await start(answer200, { cors });
    const allowedFor = async (origin: string) =>
      (await fetch(api.url, { method: "OPTIONS", headers: { ...preflight, origin } })).headers.get(
        "access-control-allow-origin",
      );
    expect(await allowedFor("https://evil.example")).toBeNull();
    expect(await allowedFor("http://any.example")).toBe("http://any.example");
  });

  test("the gateway's headers replace the function's, on its own errors too", async () => {
    const routes = [{ routeKey: "GET /", functionId: "Http", timeoutMs: 1000 }];
    const api = await start(
      () => returned({ statusCode: 200, headers: { "Access-Control-Allow-Origin": "*", "x-a": "1" } }),
      { cors, routes },
    );
    const headers = { origin: "https://app.example" };
    const response = await fetch(api.url, { headers });
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(response.headers.get("access-control-expose-headers")).toBe("x-a");
    expect((await fetch(api.url)).headers.get("access-control-allow-origin")).toBeNull();
    const missing = await fetch(`${api.url}/none`, { headers });
    expect([missing.status, missing.headers.get("access-control-allow-origin")]).toEqual([404, "https://app.example"]);
  });

  test("without a configuration, OPTIONS is a request like any other", async () => {
    const api = await start(() => returned({ statusCode: 200, headers: { "access-control-allow-origin": "*" } }));
    const response = await fetch(api.url, {
      method: "OPTIONS",
      headers: { ...preflight, origin: "https://app.example" },
    });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
  });
});
