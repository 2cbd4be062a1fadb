import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";

interface SigningKey {
  alg: string;
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
}

async function newKey(alg: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** An OpenID provider on loopback that says whatever a test wants. */
export async function startOidcProvider(clock: { now(): number }, audience = "our-client") {
  let key = await newKey("RS256", "key-1");
  let published = [key.jwk];
  let discovered: Record<string, unknown> = {};
  let intercept: ((path: string, response: ServerResponse) => boolean) | null = null;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    if (intercept?.(path, response)) return;
    const documents: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys`, ...discovered },
      "/keys": { keys: published },
    };
    const document = documents[path];
    response.writeHead(document ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** The claims of a good token, now. */
  const claims = (email: string, subject = email): Record<string, unknown> => {
    const iat = Math.floor(clock.now() / 1000);
    return { iss: issuer, aud: audience, sub: subject, email, email_verified: true, iat, exp: iat + 300 };
  };

  return {
    issuer,
    audience,
    asked,
    claims,
    key: () => key,
    /** A token of these claims, signed with the key of now. */
    sign: (payload: Record<string, unknown>, header: Record<string, unknown> = {}) =>
      new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey),
    token(email: string, subject = email) {
      return this.sign(this.claims(email, subject));
    },
    /** Signs with a new key; the old one is published no more, unless it is kept. */
    async rotate(alg: string, kid: string, options: { keepOld?: boolean; publish?: boolean } = {}) {
      key = await newKey(alg, kid);
      if (options.publish === false) return;
      published = options.keepOld ? [...published, key.jwk] : [key.jwk];
    },
    publish: (keys: JWK[]) => {
      published = keys;
    },
    discover: (changed: Record<string, unknown>) => {
      discovered = changed;
    },
    /** Answers a request itself where it says true. */
    interceptWith: (handler: typeof intercept) => {
      intercept = handler;
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export type StubProvider = Awaited<ReturnType<typeof startOidcProvider>>;
