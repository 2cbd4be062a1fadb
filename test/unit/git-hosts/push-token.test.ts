import { createHmac } from "node:crypto";
import { pushTokenKey, repositoryOf, signPushToken, verifyPushToken } from "../../../shared/git-push-token.ts";

const key = pushTokenKey("secret");
const token = signPushToken(key, { repository: "demo/app", expiresAtMs: 10_000 });
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

it("is good for its repository until it expires", () => {
  expect(verifyPushToken(key, token, "demo/app", 9_999)).toBe(true);
  expect(verifyPushToken(key, token, "demo/app", 10_000)).toBe(false);
});

it.each([
  ["another repository", token, "demo/other"],
  ["a prefix of the repository", token, "demo/ap"],
  ["nothing", "", "demo/app"],
  ["a dot", ".", "demo/app"],
  ["no signature", token.split(".")[0] ?? "", "demo/app"],
  ["an empty signature", `${token.split(".")[0]}.`, "demo/app"],
  ["a cut signature", token.slice(0, -3), "demo/app"],
  ["a third part", `${token}.x`, "demo/app"],
  ["another payload", `${encode({ repo: "demo/app", exp: 99 })}.${token.split(".")[1]}`, "demo/app"],
  ["another key", signPushToken(pushTokenKey("other"), { repository: "demo/app", expiresAtMs: 10_000 }), "demo/app"],
  [
    "the secret itself as the key",
    signPushToken(Buffer.from("secret"), { repository: "demo/app", expiresAtMs: 10_000 }),
    "demo/app",
  ],
])("refuses %s", (_what, given, repository) => {
  expect(verifyPushToken(key, given, repository, 0)).toBe(false);
});

it.each([null, [], "text", {}, { repo: "demo/app" }, { repo: "demo/app", exp: "99" }, { exp: 99 }])(
  "refuses the signed payload %j",
  (payload) => {
    const body = encode(payload);
    const mac = createHmac("sha256", key).update(body).digest("base64url");
    expect(verifyPushToken(key, `${body}.${mac}`, "demo/app", 0)).toBe(false);
  },
);

it.each([
  ["https://h/demo/app.git", "demo/app"],
  ["https://h/demo/app", "demo/app"],
  ["https://h/demo/app/", "demo/app"],
  ["https://h/demo", null],
  ["https://h/a/b/c", null],
])("%s is the repository %s", (url, repository) => {
  expect(repositoryOf(new URL(url))).toBe(repository);
});
