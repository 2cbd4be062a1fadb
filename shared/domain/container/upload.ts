import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import { maxTransferBytes } from "../../protocol/file.ts";
import { maxPackBytes } from "../../protocol/limits.ts";
import type { UploadGrant, UploadPurpose } from "../../protocol/sandbox-frame.ts";
import { transferKey } from "../file/transfer.ts";
import { objectKey } from "../timeline/timeline.ts";
import type { Link } from "./link.ts";

const megabyte = 1024 * 1024;

const folders: Record<UploadPurpose, { folder: string; maxBytes: number }> = {
  pack: { folder: "packs", maxBytes: maxPackBytes },
  manifest: { folder: "manifests", maxBytes: 64 * megabyte },
  blob: { folder: "blobs", maxBytes: 16 * megabyte },
  transfer: { folder: "transfers", maxBytes: maxTransferBytes },
  tool_output: { folder: "outputs", maxBytes: 16 * megabyte },
};

const urlSeconds = 900;

/** Where the sandbox may put exactly these bytes, once, below its own session. Throws `payload_too_large`. */
export async function grantUpload(
  objects: Pick<Objects, "head" | "presignPut">,
  link: Link,
  wanted: { purpose: UploadPurpose; length: number; sha256: string },
): Promise<UploadGrant> {
  const { folder, maxBytes } = folders[wanted.purpose];
  if (wanted.length > maxBytes) throw new AppError("payload_too_large");
  const { purpose, sha256 } = wanted;
  const key = purpose === "transfer" ? transferKey(link.key, sha256) : objectKey(link.key, folder, sha256);
  // Small ones are sent again rather than asked about: storage refuses what it has, which is as good.
  const there = wanted.length > megabyte ? await objects.head(key) : null;
  if (there?.length === wanted.length) return { key, url: null, headers: {} };
  return { key, ...(await objects.presignPut(key, wanted.length, wanted.sha256, urlSeconds)) };
}
