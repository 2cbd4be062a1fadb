/** `slow`: the client's buffer is full, pause it. `gone`: forget the connection. */
export type Delivered = "sent" | "slow" | "gone";

export interface Sockets {
  /** Never throws for the fate of one connection; a message is at most 128 KB. */
  post(connectionId: string, message: string): Promise<Delivered>;
  close(connectionId: string): Promise<void>;
}
