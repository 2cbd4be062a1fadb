import type { Kernel } from "../kernel/kernel.ts";
import type { WakeUp } from "../../../shared/protocol/wake-up.ts";

/** A message that was not finished comes back after this: the worker's timeout, six times. */
const visibilityMs = 90 * 60_000;
const mostReceives = 6;

/** A standard queue: each message at least once, in any order. */
export class SimulatedQueue {
  private readonly underWay = new Set<{ session: string; at: number }>();
  private readonly kernel: Kernel;
  private readonly receive: (wakeUp: WakeUp, done: (error: unknown) => void) => void;
  private readonly bury: (wakeUp: WakeUp) => void;

  constructor(kernel: Kernel, receive: SimulatedQueue["receive"], bury: SimulatedQueue["bury"]) {
    this.kernel = kernel;
    this.receive = receive;
    this.bury = bury;
  }

  send(wakeUp: WakeUp, delaySeconds: number): Promise<void> {
    const apply = () => this.enqueue(wakeUp, delaySeconds * 1000);
    return this.kernel.io({ port: "queue.send", apply, error: () => new Error("the queue did not answer") });
  }

  /** From a process that is not simulated. */
  enqueue(wakeUp: WakeUp, delayMs: number): void {
    const { kernel } = this;
    this.deliver(wakeUp, delayMs + 1 + kernel.random.next() * 20, 1);
    if (kernel.faults.forWorld("dead_letter", kernel.now, kernel.random))
      kernel.after(delayMs + kernel.random.next() * (kernel.random.chance(0.5) ? 1_000 : 40_000), () =>
        this.bury(wakeUp),
      );
    if (!kernel.faults.forWorld("double_wake", kernel.now, kernel.random)) return;
    kernel.note("*** the wake-up comes twice");
    this.deliver(wakeUp, delayMs + 1 + kernel.random.next() * (kernel.random.chance(0.5) ? 40 : 20_000), 1);
  }

  /** A wake-up of this session comes by then. */
  comesBy(session: string, at: number): boolean {
    for (const message of this.underWay) if (message.session === session && message.at <= at) return true;
    return false;
  }

  private deliver(wakeUp: WakeUp, afterMs: number, receives: number): void {
    const message = { session: wakeUp.session_id, at: this.kernel.now + afterMs };
    this.underWay.add(message);
    this.kernel.after(afterMs, () => {
      this.underWay.delete(message);
      this.receive(wakeUp, (error) => {
        if (error && receives < mostReceives) this.deliver(wakeUp, visibilityMs, receives + 1);
      });
    });
  }
}
