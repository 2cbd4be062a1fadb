import { DeleteObjectsCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import type { ObjectRemoval } from "../ports/object-removal.ts";

/** S3's limit for one request. */
const keysAtOnce = 1000;

/** Needs s3:ListBucket and s3:DeleteObject. */
export function s3ObjectRemoval(client: S3Client, bucket: string): ObjectRemoval {
  async function* pages(prefix: string, before = Infinity): AsyncGenerator<string[]> {
    let next: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: next }),
      );
      const old = (page.Contents ?? []).filter(({ LastModified }) => (LastModified?.getTime() ?? Infinity) <= before);
      yield old.flatMap(({ Key }) => Key ?? []);
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }

  async function remove(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += keysAtOnce) {
      const Delete = { Objects: keys.slice(at, at + keysAtOnce).map((Key) => ({ Key })), Quiet: true };
      const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }));
      const [first] = Errors;
      if (first) throw new Error(`${Errors.length} objects were not deleted: ${first.Code ?? ""}`);
    }
  }

  return {
    async removeBelow(prefix, except) {
      for await (const keys of pages(prefix))
        await remove(keys.filter((key) => !except.some((kept) => key.startsWith(kept))));
    },

    async listBelow(prefix, before) {
      const found: string[] = [];
      for await (const keys of pages(prefix, before)) found.push(...keys);
      return found;
    },

    remove,
  };
}
