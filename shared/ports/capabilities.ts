/** One app of one session, as a browser may see it. */
export interface PreviewTarget {
  tenantId: string;
  sessionId: string;
  port: number;
}

export type CapabilityKind = "ticket" | "cookie";

/** Short proofs that their holder may see one preview. Neither opens anything else. */
export interface PreviewCapabilities {
  issue(kind: CapabilityKind, target: PreviewTarget, expiresAtMs: number): Promise<string>;
  /** Null for one that is forged, over its time, or of another kind. */
  read(kind: CapabilityKind, text: string, nowMs: number): Promise<PreviewTarget | null>;
}
