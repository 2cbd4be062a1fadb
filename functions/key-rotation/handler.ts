import { rotateSecrets } from "../../shared/domain/connection/rotate-keys.ts";
import { liveKeyRotation } from "../live/key-rotation.ts";

let deps: ReturnType<typeof liveKeyRotation> | null = null;

export async function handler(): Promise<void> {
  deps ??= liveKeyRotation();
  await rotateSecrets(deps);
}
