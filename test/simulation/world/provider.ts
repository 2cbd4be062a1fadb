import type { LaunchOutcome, LaunchRequest } from "../../../shared/ports/sandbox-provider.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Sandbox } from "./sandbox.ts";

const failed = () => new Error("the provider did not answer");

/** Starts sandboxes, one for a session and epoch; what it says of their end comes late, and twice. */
export class SimulatedProvider {
  readonly sandboxes = new Map<string, Sandbox>();
  private readonly kernel: Kernel;
  private readonly start: (request: LaunchRequest, taskId: string) => Sandbox;
  private readonly ended: (taskId: string) => void;

  constructor(kernel: Kernel, start: SimulatedProvider["start"], ended: (taskId: string) => void) {
    this.kernel = kernel;
    this.start = start;
    this.ended = ended;
  }

  launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const apply = (): LaunchOutcome => {
      const taskId = `task-${request.sessionId}-${request.epoch}`;
      if (!this.sandboxes.has(taskId)) this.sandboxes.set(taskId, this.start(request, taskId));
      return { kind: "launched", taskId };
    };
    return this.kernel.io({ port: "provider.launch", apply, error: failed });
  }

  stop(taskId: string): Promise<void> {
    const apply = () => this.sandboxes.get(taskId)?.die("was stopped");
    return this.kernel.io({ port: "provider.stop", apply, error: failed });
  }

  /** The task is over: EventBridge says so, some time, at least once. */
  announceEnd(taskId: string): void {
    const { random } = this.kernel;
    if (this.kernel.faults.forWorld("untold", this.kernel.now, random)) return this.kernel.note("*** nobody is told");
    const times = random.pick([1, 1, 2]);
    for (let time = 0; time < times; time += 1)
      this.kernel.after(random.between(500, 20_000), () => this.ended(taskId));
  }
}
