import type { Process } from "../kernel/process.ts";

const interrupts = /^turn\.interrupt (.*)$/;

/** Which turn ran when somebody asked for an interrupt: that one is meant, whatever begins meanwhile. */
export class Targets {
  private readonly seen = new Set<Process>();
  private readonly turns = new Map<string, Set<string | null>>();

  /** Those that each try of the request saw first. */
  of(session: string, request: string): ReadonlySet<string | null> {
    return this.turns.get(`${session} ${request}`) ?? new Set();
  }

  /** After a read of a conversation. */
  note(process: Process, item: Record<string, unknown> | undefined): void {
    const [, request] = interrupts.exec(process.about) ?? [];
    if (request === undefined || this.seen.has(process)) return;
    this.seen.add(process);
    const name = `${process.session} ${request}`;
    const turns = this.turns.get(name) ?? new Set<string | null>();
    this.turns.set(name, turns);
    turns.add((item?.["turn_id"] as string | undefined) ?? null);
  }
}
