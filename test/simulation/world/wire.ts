import type { Delivered } from "../../../shared/ports/sockets.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Whoever holds a socket's other end. */
export interface Peer {
  hear(connectionId: string, message: string): void;
  closed(connectionId: string): void;
}

/** WebSockets: what is posted arrives in order, once, or not at all; API Gateway may say `sent` all the same. */
export class Wire {
  private readonly peers = new Map<string, Peer>();
  /** When the last message reached the other end. */
  private readonly heardAt = new Map<string, number>();
  private readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  open(connectionId: string, peer: Peer): void {
    this.peers.set(connectionId, peer);
  }

  isOpen(connectionId: string): boolean {
    return this.peers.has(connectionId);
  }

  /** The link is gone; its holder learns of it. */
  cut(connectionId: string): void {
    const peer = this.peers.get(connectionId);
    this.peers.delete(connectionId);
    peer?.closed(connectionId);
  }

  post(connectionId: string, message: string): Promise<Delivered> {
    const { kernel } = this;
    const apply = (): Delivered => {
      if (!this.peers.has(connectionId)) return "gone";
      this.carry(() => this.peers.get(connectionId)?.hear(connectionId, message), connectionId);
      return "sent";
    };
    const port = `sockets.post:${typeOf(message)}`;
    return kernel.io({ port, apply, error: () => new Error("unexpected") }).catch((): Delivered => "slow");
  }

  close(connectionId: string): Promise<void> {
    return this.kernel.io({
      port: "sockets.close",
      apply: () => this.cut(connectionId),
      error: () => new Error("the gateway did not answer"),
    });
  }

  /** A message of either direction is under way: it may be lost, doubled, or late. Those of one link keep their order. */
  carry(arrive: () => void, link = ""): void {
    const { kernel } = this;
    const { faults, random, now } = kernel;
    const before = link === "" ? 0 : (this.heardAt.get(link) ?? 0);
    const wayMs = Math.max(1 + random.next() * 10, before - now);
    this.heardAt.set(link, now + wayMs);
    if (faults.forWorld("drop", now, random)) return kernel.note("*** the message is lost");
    if (faults.forWorld("double", now, random)) {
      kernel.note("*** the message comes twice");
      kernel.after(wayMs + random.next() * (random.chance(0.5) ? 15 : 3000), arrive);
    }
    const isLate = faults.forWorld("delay", now, random);
    if (isLate) kernel.note("*** the message is late");
    kernel.after(isLate ? wayMs + random.next() * 8000 : wayMs, arrive);
  }
}

function typeOf(message: string): string {
  const type = /"type":"([\w.]+)"/.exec(message)?.[1] ?? "unknown";
  return /^(tool\.run|tool\.cancel|checkpoint\.take|checkpoint\.restore|welcome|stop|ack)$/.test(type) ? type : "event";
}
