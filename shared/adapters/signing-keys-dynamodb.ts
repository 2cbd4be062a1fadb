import { GetItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { signingKeyKey } from "../data/keys.ts";
import type { PublicKeys } from "../ports/tokens.ts";

/** Reads published keys with the plain client: `connect` has no room for ElectroDB. */
export function dynamoPublicKeys(client: DynamoDBClient, tableName: string): PublicKeys {
  return {
    async find(kid) {
      const { pk, sk } = signingKeyKey(kid);
      const { Item } = await client.send(
        new GetItemCommand({ TableName: tableName, Key: { pk: { S: pk }, sk: { S: sk } }, ConsistentRead: true }),
      );
      const use = Item?.["use"]?.S;
      const x = Item?.["public_x"]?.S;
      if ((use !== "user" && use !== "sandbox") || x === undefined) return null;
      const ends = Item?.["expires_at"]?.N;
      const endsAtMs = ends === undefined ? null : Number(ends) * 1000;
      return { kid, use, jwk: { kty: "OKP", crv: "Ed25519", x }, endsAtMs };
    },
  };
}
