import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3ServiceException,
  type S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Objects } from "../ports/objects.ts";

const checksumHeader = "x-amz-checksum-sha256";

/**
 * Objects in one bucket; the caller chooses whole keys, beginning with the tenant. The role needs s3:ListBucket beside
 * s3:GetObject, or else S3 answers 403 instead of 404 for a missing object.
 */
export function s3Objects(client: S3Client, bucket: string): Objects {
  return {
    async put(key, body, contentType) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType }));
    },

    get: (key) =>
      nullWhereMissing(async () => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return Body === undefined ? new Uint8Array() : Body.transformToByteArray();
      }),

    head: (key) =>
      nullWhereMissing(async () => {
        const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
        return { length: ContentLength ?? 0 };
      }),

    presignGet: (key, expiresInSeconds) =>
      getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: expiresInSeconds }),

    async presignPut(key, length, sha256, expiresInSeconds) {
      const checksum = Buffer.from(sha256, "hex").toString("base64");
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentLength: length,
        ChecksumSHA256: checksum,
        IfNoneMatch: "*",
      });
      const url = await getSignedUrl(client, command, {
        expiresIn: expiresInSeconds,
        // Left to itself the presigner moves it into the query, where it is signed but never compared by some stores.
        unhoistableHeaders: new Set([checksumHeader]),
      });
      return { url, headers: { "content-length": String(length), "if-none-match": "*", [checksumHeader]: checksum } };
    },
  };
}

async function nullWhereMissing<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && error.name !== "NoSuchBucket")
      return null;
    throw error;
  }
}
