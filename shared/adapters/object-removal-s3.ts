import { DeleteObjectsCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import type { ObjectRemoval } from "../ports/object-removal.ts";

/** Needs s3:ListBucket and s3:DeleteObject. A thousand keys a request, which is S3's limit. */
export function s3ObjectRemoval(client: S3Client, bucket: string): ObjectRemoval {
  async function remove(keys: string[]): Promise<void> {
    if (keys.length === 0) return;
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }));
    const [first] = Errors;
    if (first) throw new Error(`${Errors.length} objects were not deleted: ${first.Code ?? ""}`);
  }

  return {
    async removeBelow(prefix, except, before = Infinity) {
      let next: string | undefined;
      let removed = 0;
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: next }),
        );
        const old = (page.Contents ?? []).filter(({ LastModified }) => (LastModified?.getTime() ?? Infinity) <= before);
        const keys = old.flatMap(({ Key }) => Key ?? []);
        const unneeded = keys.filter((key) => !except.some((kept) => key.startsWith(kept)));
        await remove(unneeded);
        removed += unneeded.length;
        next = page.NextContinuationToken;
      } while (next !== undefined);
      return removed;
    },
  };
}
