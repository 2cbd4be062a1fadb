import { call, say, think, type Answer, type AnswerBlock } from "../answer.ts";
import type { RehearsalRequest } from "../request.ts";
import { readTurn, rehearsalSummary, type TurnView } from "../turn-view.ts";
import { directivesIn, playDirective } from "./directives.ts";
import { playFollowUp } from "./follow-up.ts";
import { formattedAnswer } from "./formatted.ts";
import type { Move } from "./move.ts";
import { builtFolder, playWebApp } from "./web-app.ts";

/** The answer to a request, from its transcript alone: a restarted server goes on where the old one was. */
export function play(request: RehearsalRequest): Answer {
  const view = readTurn(request.messages);
  if (request.outputSchema !== null) return formattedAnswer(request.outputSchema, view.prompt);
  if (view.isSummary) return { content: [say(rehearsalSummary(view))] };
  const directed = playDirective(directivesIn(view.prompt), view);
  if (directed !== null) return directed;
  if (request.tools.length === 0 || isQuestion(view.prompt)) return asAnswer(request, view, answerQuestion(view));
  return asAnswer(request, view, build(view));
}

function build(view: TurnView): Move {
  const folder = builtFolder(view.earlier);
  const wantsAnother = /\b(another|new|second)\b[^.\n]*\b(app|application|site|project)\b/i.test(view.prompt);
  return folder !== null && !wantsAnother ? playFollowUp(view, folder) : playWebApp(view);
}

/**
 * Text between tool calls comes back as thinking, as the real models do; only the first words of a turn, and the last,
 * are text.
 */
function asAnswer(request: RehearsalRequest, view: TurnView, move: Move): Answer {
  const calls = (move.calls ?? []).map(({ name, input }) => call(name, input));
  const isBetween = view.steps.length > 0 && calls.length > 0 && request.thinking.type === "adaptive";
  const words: AnswerBlock = isBetween ? think(move.words) : say(labelled(view, move.words));
  return { content: [words, ...calls] };
}

function labelled(view: TurnView, words: string): string {
  const label = view.steps.length === 0 ? "Rehearsal model, playing a script (no Claude is asked). " : "";
  const steered = view.steered.map(
    (text) => `\n\nYou also said: “${text.slice(0, 200)}”. A script cannot act on that.`,
  );
  return label + words + steered.join("");
}

function isQuestion(prompt: string): boolean {
  const asksForWork = /\b(build|make|create|write|implement|add|change|fix|set up|rename|remove)\b/i.test(prompt);
  if (asksForWork) return false;
  return (
    /\?\s*$/.test(prompt) || /^\s*(what|why|how|who|when|where|which|explain|tell me|hi|hello|thanks)\b/i.test(prompt)
  );
}

function answerQuestion(view: TurnView): Move {
  const about = view.prompt.replace(/\s+/g, " ").trim().slice(0, 120);
  return {
    words:
      `You asked: “${about}”. A real model would answer here; this one only knows its scripts. Ask it to build something ` +
      "and it writes a small web app, runs its tests and starts its server. Set ANTHROPIC_API_KEY to talk to Claude.",
  };
}
