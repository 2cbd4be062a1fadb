import { AppError } from "../../errors.ts";
import type { Objects } from "../../ports/objects.ts";
import { type CheckpointManifest, ManifestDelta, StoredManifest } from "../../protocol/checkpoint-manifest.ts";

type Reader = Pick<Objects, "get">;

/** Every file of a checkpoint. Null where there is no such manifest; throws `internal` where it is no manifest. */
export async function readManifest(objects: Reader, key: string): Promise<CheckpointManifest | null> {
  const stored = await readStored(objects, key);
  if (stored?.version !== 2) return stored;
  const base = await readBase(objects, key, stored);
  if (base?.version !== 1) throw new AppError("internal", "A manifest's base is missing");
  return applied(base, stored);
}

/** Under which keys a delta's base may be: the same container put it, which an older version may have granted the plain name. */
function keysOfBase(key: string, sha256: string): string[] {
  const plain = `${key.slice(0, key.lastIndexOf("/"))}/${sha256}`;
  // The key's last 64 characters are the object's SHA-256.
  return [`${key.slice(0, -sha256.length)}${sha256}`, plain];
}

async function readBase(objects: Reader, key: string, { base }: ManifestDelta) {
  const [own = "", plain = ""] = keysOfBase(key, base);
  return (await readStored(objects, own)) ?? (await readStored(objects, plain));
}

/** Without which this manifest cannot be read: its base is under one of these keys. None of a complete one, or of what is no manifest. */
export async function basesOf(objects: Reader, key: string): Promise<string[]> {
  const bytes = await objects.get(key);
  const delta = ManifestDelta.safeParse(bytes && parsed(bytes));
  return delta.success ? keysOfBase(key, delta.data.base) : [];
}

async function readStored(objects: Reader, key: string) {
  const bytes = await objects.get(key);
  if (!bytes) return null;
  const found = StoredManifest.safeParse(parsed(bytes));
  if (!found.success) throw new AppError("internal", "Not a manifest");
  return found.data;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

function applied(base: CheckpointManifest, { commit, tree, files, removed }: ManifestDelta): CheckpointManifest {
  const all = new Map(base.files.map((file) => [file.path, file]));
  for (const path of removed) all.delete(path);
  for (const file of files) all.set(file.path, file);
  return { version: 1, commit, tree, files: [...all.values()] };
}
