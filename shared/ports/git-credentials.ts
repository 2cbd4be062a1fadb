/** One secret for each tenant: all of its hosts are in it, since each secret is paid for. */
export interface TenantSecrets {
  /** Null where the tenant has none. */
  read(tenantId: string): Promise<{ text: string; version: string } | null>;
  /** False where another one has replaced that version; null: there was none. */
  replace(tenantId: string, replaced: string | null, text: string): Promise<boolean>;
}

/** A credential as it is kept: what a host takes, or what one is minted with. */
export type KeptCredential =
  | { kind: "token"; username?: string | undefined; token: string }
  | { kind: "github_app"; app_id: string; installation_id?: string | undefined; private_key: string };

export interface GitCredentials {
  /** Null where the tenant gave none for this host. */
  find(tenantId: string, host: string): Promise<KeptCredential | null>;
  /** The host does not take it. */
  refused(tenantId: string, host: string): Promise<void>;
}
