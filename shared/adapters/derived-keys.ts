import { createHmac, createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint } from "jose";
import { equalSecrets } from "../digest.ts";
import type { BootSecrets, KeyUse, PublicKey } from "../ports/tokens.ts";
import { matchesAny, type RotatedSecret } from "./rotated-secret.ts";

/** The text of a secret; read when it is first needed. */
export type SecretText = () => Promise<string>;

/** PKCS #8 of an Ed25519 key (RFC 8410) without its 32-byte seed. */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function derive(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "ai-sandbox-platform", purpose, 32));
}

export interface SigningPair {
  privateKey: KeyObject;
  publicKey: PublicKey;
}

/** The same secret gives the same pair everywhere: nothing has to be stored but the public half. */
export async function signingPair(secret: string, use: KeyUse): Promise<SigningPair> {
  const seed = derive(secret, `sign ${use}`);
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const jwk = { kty: "OKP", crv: "Ed25519", x } as const;
  return { privateKey, publicKey: { kid: await calculateJwkThumbprint(jwk), use, jwk } };
}

export function derivedBootSecrets(secret: RotatedSecret): BootSecrets {
  const bootSecret = (text: string, sessionId: string, epoch: number) =>
    createHmac("sha256", derive(text, "boot")).update(`${sessionId}|${epoch}`).digest("base64url");
  return {
    derive: async (sessionId, epoch) => bootSecret(await secret.signing(), sessionId, epoch),
    matches: (presented, sessionId, epoch) =>
      matchesAny(secret, (text) => equalSecrets(presented, bootSecret(text, sessionId, epoch))),
  };
}
