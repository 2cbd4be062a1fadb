import { call, instant, say, think, type Answer, type Fault } from "../answer.ts";
import type { TurnView } from "../turn-view.ts";

/** `rehearsal: <name> <argument>` in a prompt; several may stand in one prompt, on their own lines. */
export interface Directive {
  name: string;
  argument: string;
}

export function directivesIn(prompt: string): Directive[] {
  return [...prompt.matchAll(/rehearsal:[ \t]*([a-z-]+)[ \t]*([^\n]*)/gi)].map((match) => ({
    name: (match[1] ?? "").toLowerCase(),
    argument: (match[2] ?? "").trim(),
  }));
}

/** A fault for this many attempts at the first call of the turn. */
export interface PlannedFault {
  fault: Fault;
  times: number;
}

/** `error 529 x2 retry 1`, `cut`, `stall x2`, `reset always`, ... */
export function plannedFault(directives: Directive[]): PlannedFault | null {
  for (const { name, argument } of directives) {
    const fault = faultNamed(name, argument);
    if (fault === null) continue;
    const times = /\balways\b/.test(argument) ? Infinity : Number(/\bx(\d+)/.exec(argument)?.[1] ?? 1);
    return { fault, times };
  }
  return null;
}

function faultNamed(name: string, argument: string): Fault | null {
  switch (name) {
    case "error": {
      const retry = /\bretry (\d+)/.exec(argument)?.[1];
      return {
        kind: "status",
        status: Number(/^\d{3}/.exec(argument)?.[0] ?? 529),
        ...(retry !== undefined && { retryAfterSeconds: Number(retry) }),
      };
    }
    case "error-event":
      return { kind: "error_event", type: /^[a-z_]+/.exec(argument)?.[0] ?? "overloaded_error" };
    case "cut":
    case "stall":
    case "malformed":
    case "reset":
      return { kind: name };
    default:
      return null;
  }
}

type Play = (argument: string, view: TurnView) => Answer;

/** Plays the first directive that is a script, without any waiting; null where there is none. */
export function playDirective(directives: Directive[], view: TurnView): Answer | null {
  for (const { name, argument } of directives) {
    const play = Object.hasOwn(plays, name) ? plays[name] : undefined;
    if (play !== undefined) return { pace: instant, ...play(argument, view) };
  }
  if (directives.length > 0) return { pace: instant, content: [say(closing("the call went through"))] };
  return null;
}

const plays: Readonly<Record<string, Play>> = {
  /** N calls one after another, by turns a file of 1 KB and a command. */
  tools: (argument, view) => {
    const count = numberIn(argument, 10);
    const index = view.steps.length;
    if (index >= count) return { content: [say(closing(`${count} tool calls done`))] };
    return { content: [index % 2 === 0 ? writeKilobyte(index) : call("bash", { command: `echo step ${index}` })] };
  },
  parallel: (argument, view) => {
    const count = numberIn(argument, 3);
    if (view.steps.length > 0) return { content: [say(closing(`${count} parallel calls done${failures(view)}`))] };
    return { content: Array.from({ length: count }, (_, index) => call("bash", { command: `echo part ${index}` })) };
  },
  sleep: (argument, view) => {
    const seconds = numberIn(argument, 30);
    return oneCommand(view, `sleep ${seconds} && echo slept ${seconds}`, (seconds + 60) * 1000);
  },
  bash: (argument, view) => oneCommand(view, argument),
  /** Asks the person, and goes on with whatever the answer is. */
  ask: (argument, view) =>
    view.steps.length > 0
      ? { content: [say(closing("the person was asked"))] }
      : { content: [call("ask_user", { question: argument || "Which one?", options: ["this one", "that one"] })] },
  "big-output": (argument, view) => oneCommand(view, `seq 1 ${numberIn(argument, 200_000)}`),
  say: (argument) => ({ content: [say(argument === "" ? closing("nothing to say") : argument)] }),
  /** Text for so many seconds, to be interrupted. */
  slow: (argument) => {
    const seconds = numberIn(argument, 10);
    const text = Array.from({ length: seconds * 10 }, (_, index) => `word ${index} `).join("");
    const pace = {
      firstByteMs: 0,
      chunkMs: 100,
      chunkCharacters: text.length / (seconds * 10),
      atMostMs: seconds * 1000,
    };
    return { content: [say(text)], pace };
  },
  refuse: () => ({
    content: [say("I can't help with that. (Rehearsal model: a scripted refusal.)")],
    stopReason: "refusal",
    stopDetails: { type: "refusal", category: null, explanation: "scripted" },
  }),
  "max-tokens": () => ({ content: [say("Rehearsal model: this answer ends in the mid")], stopReason: "max_tokens" }),
  /** Thinking before, between and after tool calls, a redacted block among it. */
  thinking: (_, view) => {
    if (view.steps.length >= 2) return { content: [think("Both commands ran."), say(closing("thought about it"))] };
    const redacted = { type: "redacted_thinking", data: "" } as const;
    return {
      content: [
        think(`Step ${view.steps.length + 1}: a command tells more.`),
        ...(view.steps.length === 1 ? [redacted] : []),
        call("bash", { command: `echo thought ${view.steps.length + 1}` }),
      ],
    };
  },
};

function oneCommand(view: TurnView, command: string, timeoutMs?: number): Answer {
  const done = view.steps[0]?.[0];
  if (done === undefined) {
    return { content: [call("bash", timeoutMs === undefined ? { command } : { command, timeout_ms: timeoutMs })] };
  }
  const output = done.output.length > 400 ? `${done.output.slice(0, 400)} ...` : done.output;
  return { content: [say(closing(`the command ${done.isError ? "failed" : "ran"}:\n\n${output}`))] };
}

function writeKilobyte(index: number) {
  const line = `line of file ${index}, written by the rehearsal model\n`;
  return call("write", { file_path: `rehearsal/file-${index}.txt`, content: line.repeat(25).slice(0, 1024) });
}

function failures(view: TurnView): string {
  const failed = view.steps.flat().filter((outcome) => outcome.isError).length;
  return failed === 0 ? "" : `, ${failed} of them failed`;
}

function closing(what: string): string {
  return `Rehearsal model: ${what}.`;
}

function numberIn(argument: string, otherwise: number): number {
  return Number(/\d+/.exec(argument)?.[0] ?? otherwise);
}
