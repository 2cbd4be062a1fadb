/** A message as far as fairness goes; without a group it is one of its own. */
export interface Grouped {
  messageId: string;
  messageGroupId?: string | undefined;
}

const groupOf = ({ messageId, messageGroupId }: Grouped) => messageGroupId ?? messageId;

/**
 * Which of the waiting messages go next, as indexes: those of the group that has the fewest in flight, and of these the one
 * that has waited longest. A group alone gets everything; beside a noisy one, a quiet group's message is next. (AWS's fair
 * queues favour quiet groups once another has 30 and 10 % in flight: with so few workers, one machine can not wait for that.)
 */
export function fairOrder(waiting: readonly Grouped[], inFlight: readonly Grouped[], count: number): number[] {
  const busy = new Map<string, number>();
  const add = (group: string) => busy.set(group, (busy.get(group) ?? 0) + 1);
  for (const message of inFlight) add(groupOf(message));
  const chosen = new Set<number>();
  while (chosen.size < Math.min(count, waiting.length)) {
    let best = -1;
    let fewest = Infinity;
    for (const [index, message] of waiting.entries()) {
      const load = busy.get(groupOf(message)) ?? 0;
      if (chosen.has(index) || load >= fewest) continue;
      best = index;
      fewest = load;
    }
    const next = waiting[best];
    if (next === undefined) break;
    chosen.add(best);
    add(groupOf(next));
  }
  return [...chosen];
}
