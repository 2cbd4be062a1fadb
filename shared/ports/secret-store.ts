/** The secrets that are rotated by a schedule. */
export const rotatedSecrets = ["user", "sandbox", "preview", "git"] as const;
export type RotatedSecretName = (typeof rotatedSecrets)[number];

export interface SecretVersion {
  id: string;
  text: string;
  /** Milliseconds: when it was put. */
  since: number;
}

export interface SecretStore {
  current(name: RotatedSecretName): Promise<SecretVersion>;
  /**
   * The text becomes the current one; what it replaces stays readable as the one before, until the next time. False where
   * another run has replaced that version: each has one successor.
   */
  replace(name: RotatedSecretName, replaced: SecretVersion, text: string): Promise<boolean>;
}
