/** Quotas of WebSocket APIs. Tests override them to compress time. */
export interface WebSocketLimits {
  /** Payload of one frame, both ways. */
  frameBytes: number;
  /** All frames of one message, both ways. */
  messageBytes: number;
  idleMs: number;
  lifetimeMs: number;
  integrationTimeoutMs: number;
  /** Unsent bytes of one connection from which on a post is refused with 429. AWS does not publish its figure. */
  sendBufferBytes: number;
  /** How long the close handshake may take. */
  closeTimeoutMs: number;
  /** How long `stop` waits for the `$disconnect` invocations. */
  stopTimeoutMs: number;
}

export const awsWebSocketLimits: WebSocketLimits = {
  frameBytes: 32 * 1024,
  messageBytes: 128 * 1024,
  idleMs: 10 * 60_000,
  lifetimeMs: 2 * 3_600_000,
  integrationTimeoutMs: 29_000,
  sendBufferBytes: 1024 * 1024,
  closeTimeoutMs: 5_000,
  stopTimeoutMs: 5_000,
};
