/** `slow`: the client's buffer is full, pause it. `gone`: forget the connection. `too_large`: this message alone. */
export type Delivered = "sent" | "slow" | "gone" | "too_large";

export interface Sockets {
  /** Never throws for the fate of one connection; a message is at most 128 KB. */
  post(connectionId: string, message: string): Promise<Delivered>;
  close(connectionId: string): Promise<void>;
}
