/** One app of one session, as a browser may see it. */
export interface PreviewTarget {
  tenantId: string;
  sessionId: string;
  port: number;
}

/** Who was let in: a capability is worth no more than they are. */
export interface PreviewHolder {
  userId: string;
  /** Of their sign-ins. */
  generation: number;
  /** Null for a person. */
  keyId: string | null;
}

export interface PreviewAdmission extends PreviewTarget {
  holder: PreviewHolder;
}

export type CapabilityKind = "ticket" | "cookie";

/** Short proofs that their holder may see one preview. Neither opens anything else. */
export interface PreviewCapabilities {
  issue(kind: CapabilityKind, admission: PreviewAdmission, expiresAtMs: number): Promise<string>;
  /** Null for one that is forged, over its time, of another kind, or of a version that named no holder. */
  read(kind: CapabilityKind, text: string, nowMs: number): Promise<PreviewAdmission | null>;
}
