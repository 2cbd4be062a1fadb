import { randomUUID } from "node:crypto";
import { localAccount, type Running } from "../contract.ts";
import type { DeployedRule, RuleTarget } from "../template/deployed-stack.ts";
import { defaultBus } from "../template/read-compute.ts";
import { every } from "./every.ts";
import { matchesPattern } from "./pattern.ts";
import { parseSchedule } from "./schedule.ts";

export interface BusEvent {
  source: string;
  "detail-type": string;
  detail: Record<string, unknown>;
  resources?: string[];
  /** Any further field of the envelope. */
  [field: string]: unknown;
}

export interface EventBusOptions {
  rules: readonly DeployedRule[];
  /** Delivers to one target; retries are its own. */
  deliver: (to: RuleTarget["to"], event: unknown, retries: number) => void;
  /** Multiplies every rate: 0.01 runs a minute's schedule each 600 ms. */
  scheduleScale: number;
  now: () => number;
}

export interface EventBus extends Running {
  /** As PutEvents does: to every rule of the bus whose pattern matches. @default - AWS's own bus */
  emit(event: BusEvent, bus?: string): string;
  /** Runs now what a schedule runs of this function. Throws where none does. */
  trigger(functionId: string): void;
}

export function startEventBus(options: EventBusOptions): EventBus {
  const { rules, now } = options;
  const envelope = (event: BusEvent) => ({
    version: "0",
    id: randomUUID(),
    account: localAccount.id,
    region: localAccount.region,
    time: new Date(now()).toISOString().replace(/\.\d+Z$/, "Z"),
    resources: [],
    ...event,
  });
  const deliver = (rule: DeployedRule, event: BusEvent) => {
    for (const target of rule.targets) options.deliver(target.to, target.input ?? event, target.retries);
  };
  const scheduled = (rule: DeployedRule) => {
    const arn = `arn:${localAccount.partition}:events:${localAccount.region}:${localAccount.id}:rule/${rule.name}`;
    deliver(rule, envelope({ source: "aws.events", "detail-type": "Scheduled Event", resources: [arn], detail: {} }));
  };
  const timers = rules.flatMap((rule) =>
    rule.schedule === null ? [] : [startTimer(rule.schedule, options, () => scheduled(rule))],
  );
  return {
    emit(event, bus = defaultBus) {
      const whole = envelope(event);
      for (const rule of rules) {
        if (rule.bus === bus && rule.pattern !== null && matchesPattern(rule.pattern, whole)) deliver(rule, whole);
      }
      return whole.id;
    },
    trigger(functionId) {
      const targets = (rule: DeployedRule) =>
        rule.targets.some(({ to }) => to.kind === "function" && to.functionId === functionId);
      const rule = rules.find((each) => each.schedule !== null && targets(each));
      if (rule === undefined) throw new Error(`no schedule of the template runs ${functionId}`);
      scheduled(rule);
    },
    async stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

function startTimer(expression: string, { scheduleScale, now }: EventBusOptions, fire: () => void): NodeJS.Timeout {
  const schedule = parseSchedule(expression);
  if (schedule.kind === "rate") return every(schedule.everyMs * scheduleScale, fire);
  let last = Math.floor(now() / 60_000);
  return setInterval(() => {
    const minute = Math.floor(now() / 60_000);
    if (minute === last) return;
    last = minute;
    if (schedule.dueAt(new Date(minute * 60_000))) fire();
  }, 1000);
}
