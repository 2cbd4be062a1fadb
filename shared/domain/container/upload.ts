import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import { maxTransferBytes } from "../../protocol/file.ts";
import { maxPackBytes } from "../../protocol/limits.ts";
import type { UploadGrant, UploadPurpose } from "../../protocol/sandbox-frame.ts";
import { nameOf } from "../checkpoint/object-name.ts";
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

function keyFor({ key, epoch }: Link, purpose: UploadPurpose, sha256: string): string {
  const { folder } = folders[purpose];
  if (purpose === "transfer") return transferKey(key, sha256);
  return objectKey(key, folder, purpose === "tool_output" ? sha256 : nameOf(epoch, sha256));
}

/** Where the sandbox may put exactly these bytes, once, below its own session. Throws `payload_too_large`. */
export async function grantUpload(
  objects: Pick<Objects, "head" | "presignPut">,
  link: Link,
  wanted: { purpose: UploadPurpose; length: number; sha256: string },
): Promise<UploadGrant> {
  if (wanted.length > folders[wanted.purpose].maxBytes) throw new AppError("payload_too_large");
  const key = keyFor(link, wanted.purpose, wanted.sha256);
  // Small ones are sent again rather than asked about: storage refuses what it has, which is as good.
  const there = wanted.length > megabyte ? await objects.head(key) : null;
  if (there?.length === wanted.length) return { key, url: null, headers: {} };
  return { key, ...(await objects.presignPut(key, wanted.length, wanted.sha256, urlSeconds)) };
}
