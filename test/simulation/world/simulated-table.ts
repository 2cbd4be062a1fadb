import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { Claims } from "./claims.ts";
import { isWrite, labelOf, writtenKeys } from "../table/label.ts";
import { MemoryTable } from "../table/memory-table.ts";
import { named } from "../table/requests.ts";
import { Targets } from "./targets.ts";

function errorOf(name: string, input: unknown, kind: "refused" | "lost", chance: number): Error {
  if (kind === "lost") return named("TimeoutError", "The reply did not come");
  if (chance < 0.6) return named("ThrottlingException", "Throughput exceeded");
  if (name !== "TransactWriteCommand") return named("TransactionConflictException", "A transaction is under way");
  const { TransactItems } = input as { TransactItems: unknown[] };
  const CancellationReasons = TransactItems.map((_, index) => ({ Code: index === 0 ? "TransactionConflict" : "None" }));
  return named("TransactionCanceledException", "Transaction cancelled", { CancellationReasons });
}

/** The one table, as processes see it that share it over a network. */
export class SimulatedTable {
  readonly rows = new MemoryTable();
  /** Writes on rows of another session than the process's own. */
  readonly trespasses: string[] = [];
  readonly claims = new Claims();
  readonly targets = new Targets();
  /** For the contract of the memory table. */
  recorder: ((name: string, input: unknown, answer: () => unknown) => unknown) | null = null;

  private readonly kernel: Kernel;
  private readonly sessions: string[];

  constructor(kernel: Kernel, sessions: string[]) {
    this.kernel = kernel;
    this.sessions = sessions;
  }

  send(name: string, input: unknown): Promise<unknown> {
    const { kernel } = this;
    const process = kernel.current;
    const port = labelOf(name, input);
    const apply = () => this.carryOut(name, port, input, process);
    if (isWrite(name)) this.watch(name, input);
    const error = (kind: "refused" | "lost") => errorOf(name, input, kind, kernel.random.next());
    const request = { port, apply, error };
    // The SDK gives a transaction a token, by which a repetition is known.
    if (name !== "TransactWriteCommand") return kernel.io(request);
    let first: { value: unknown } | null = null;
    return kernel.io({
      ...request,
      apply: () => (first = { value: apply() }).value,
      repeat: () => (first ?? { value: apply() }).value,
    });
  }

  private carryOut(name: string, label: string, input: unknown, process: Process): unknown {
    const send = () => this.rows.send(name, input);
    const answer = this.recorder ? this.recorder(name, input, send) : send();
    this.claims.note(name, label, input, process, this.kernel.now);
    if (label === "table.get:conversation")
      this.targets.note(process, (answer as { Item?: Record<string, unknown> }).Item);
    return answer;
  }

  private watch(name: string, input: unknown): void {
    const { session, kind } = this.kernel.current;
    if (session === null || this.sessions.length < 2) return;
    const others = this.sessions.filter((other) => other !== session);
    for (const { pk, sk } of writtenKeys(name, input)) {
      const key = `${String(pk)} ${String(sk)}`;
      if (others.some((other) => key.includes(other))) this.trespasses.push(`${kind} of ${session} wrote ${key}`);
    }
  }
}
