import { compileRoutes } from "../../../infra/local/gateway/http-routes.ts";

const keys = [
  "$default",
  "ANY /{proxy+}",
  "ANY /pets/{proxy+}",
  "GET /pets/{id}",
  "GET /pets/{id}/toys/{toy}",
  "ANY /pets/dog/{rest+}",
  "GET /pets/dog",
  "ANY /pets/dog",
  "POST /{kind}/dog/bark",
];
// In both orders: what is declared first must not matter.
const finders = [keys, keys.toReversed()].map((order) =>
  compileRoutes(order.map((routeKey) => ({ routeKey, functionId: "F", timeoutMs: 1000 }))),
);

test.each([
  ["GET", "/pets/dog", "GET /pets/dog", undefined],
  ["POST", "/pets/dog", "ANY /pets/dog", undefined],
  ["GET", "/pets/7", "GET /pets/{id}", { id: "7" }],
  ["PUT", "/pets/7", "ANY /pets/{proxy+}", { proxy: "7" }],
  ["GET", "/pets/7/toys/ball", "GET /pets/{id}/toys/{toy}", { id: "7", toy: "ball" }],
  ["POST", "/pets/dog/bark", "POST /{kind}/dog/bark", { kind: "pets" }],
  ["GET", "/pets/dog/bark", "ANY /pets/dog/{rest+}", { rest: "bark" }],
  ["GET", "/cats/a/b", "ANY /{proxy+}", { proxy: "cats/a/b" }],
  ["GET", "/pets/", "ANY /{proxy+}", { proxy: "pets/" }],
  ["GET", "/", "$default", undefined],
])("%s %s takes %s", (method, path, routeKey, pathParameters) => {
  for (const find of finders) {
    const match = find(method, path);
    expect(match?.route.routeKey).toBe(routeKey);
    expect(match?.pathParameters).toEqual(pathParameters);
  }
});

test("nothing matches without a default", () => {
  const find = compileRoutes([{ routeKey: "GET /a", functionId: "F", timeoutMs: 1000 }]);
  expect(find("GET", "/b")).toBeNull();
  expect(find("POST", "/a")).toBeNull();
});

test("a malformed route key is refused", () => {
  expect(() => compileRoutes([{ routeKey: "/a", functionId: "F", timeoutMs: 1000 }])).toThrow("/a");
});
