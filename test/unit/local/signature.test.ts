import { createHash, createHmac } from "node:crypto";
import { verifySignature, type SignedRequest } from "../../../infra/local/aws/signature.ts";

/** AWS's published `get-vanilla-query-order-key-case` vector of the Signature Version 4 test suite. */
const vector: SignedRequest = {
  method: "GET",
  url: "/?Param2=value2&Param1=value1",
  headers: {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
      "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  },
  body: Buffer.alloc(0),
};
const secretOf = (id: string) => (id === "AKIDEXAMPLE" ? "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" : null);
const signedAt = Date.parse("2015-08-30T12:36:00Z");

describe("header signatures", () => {
  it("accepts AWS's own test vector", () => {
    expect(verifySignature(vector, secretOf, signedAt)).toEqual({
      kind: "valid",
      scope: { accessKeyId: "AKIDEXAMPLE", date: "20150830", region: "us-east-1", service: "service" },
    });
  });
  it.each<[string, Partial<SignedRequest>]>([
    ["another method", { method: "POST" }],
    ["another path", { url: "/x?Param2=value2&Param1=value1" }],
    ["another query", { url: "/?Param2=value2&Param1=value3" }],
    ["another host", { headers: { ...vector.headers, host: "evil.example" } }],
    ["another body", { body: Buffer.from("x") }],
    ["no signature", { headers: { host: "example.amazonaws.com" } }],
  ])("refuses %s", (_name, change) => {
    expect(verifySignature({ ...vector, ...change }, secretOf, signedAt).kind).toBe("invalid");
  });
  it("refuses an unknown key", () => expect(verifySignature(vector, () => null, signedAt).kind).toBe("invalid"));
  it("refuses another secret", () => expect(verifySignature(vector, () => "other", signedAt).kind).toBe("invalid"));
  it("holds for five minutes", () => {
    expect(verifySignature(vector, secretOf, signedAt + 299_000).kind).toBe("valid");
    expect(verifySignature(vector, secretOf, signedAt + 301_000)).toEqual({
      kind: "invalid",
      reason: "the signature has expired",
    });
    expect(verifySignature(vector, secretOf, signedAt - 301_000).kind).toBe("invalid");
  });
});

describe("a body hash that is not the body's", () => {
  it("is refused even with a right signature over it", () => {
    const hash = createHash("sha256").update("signed").digest("hex");
    const request = signWith("secret", hash);
    expect(verifySignature({ ...request, body: Buffer.from("signed") }, () => "secret", signedAt).kind).toBe("valid");
    expect(verifySignature({ ...request, body: Buffer.from("forged") }, () => "secret", signedAt).kind).toBe("invalid");
  });
});

function signWith(secret: string, payloadHash: string): SignedRequest {
  const names = "host;x-amz-content-sha256;x-amz-date";
  const headers = { host: "h", "x-amz-content-sha256": payloadHash, "x-amz-date": "20150830T123600Z" };
  const canonical = [
    "PUT",
    "/",
    "",
    `host:h\nx-amz-content-sha256:${payloadHash}\nx-amz-date:20150830T123600Z\n`,
    names,
    payloadHash,
  ].join("\n");
  const scope = "20150830/us-east-1/dynamodb/aws4_request";
  const text = [
    "AWS4-HMAC-SHA256",
    headers["x-amz-date"],
    scope,
    createHash("sha256").update(canonical).digest("hex"),
  ].join("\n");
  let key: Buffer = createHmac("sha256", `AWS4${secret}`).update("20150830").digest();
  for (const part of ["us-east-1", "dynamodb", "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(text).digest("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=K/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { method: "PUT", url: "/", headers: { ...headers, authorization }, body: Buffer.alloc(0) };
}
