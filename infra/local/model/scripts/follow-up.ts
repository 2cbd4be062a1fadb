import type { TurnView } from "../turn-view.ts";
import type { Move } from "./move.ts";
import { runTests } from "./web-app.ts";

const colours: Readonly<Record<string, string>> = {
  blue: "#1d4ed8",
  green: "#0b6e4f",
  red: "#b91c1c",
  orange: "#c2410c",
  purple: "#7e22ce",
  pink: "#be185d",
  black: "#111827",
  grey: "#4b5563",
  gray: "#4b5563",
  teal: "#0f766e",
  yellow: "#a16207",
  brown: "#78350f",
};

/** A change of the app that an earlier turn built: look, edit, test, say. */
export function playFollowUp(view: TurnView, folder: string): Move {
  const failed = view.steps.flat().find((outcome) => outcome.isError);
  if (failed !== undefined) {
    return { words: `I stop here, because \`${failed.name}\` failed:\n\n${failed.output.slice(-800)}` };
  }
  const change = colourIn(view.prompt) === null ? noteChange(view.prompt) : colourChange(view.prompt);
  const path = `${folder}/public/${change.file}`;
  switch (view.steps.length) {
    case 0:
      return { words: `I look at \`${path}\`.`, calls: [{ name: "read", input: { file_path: path } }] };
    case 1: {
      const edit = change.edit(view.steps[0]?.[0]?.output ?? "");
      if (edit === null)
        return { words: `\`${path}\` no longer has the place that this script would change, so I leave it.` };
      return { words: change.intention, calls: [{ name: "edit", input: { file_path: path, ...edit } }] };
    }
    case 2:
      return { words: "The tests, to be sure.", calls: [runTests(folder)] };
    default:
      return { words: `${change.summary} in \`${path}\`, and the tests pass. Reload the preview to see it.` };
  }
}

interface Change {
  file: string;
  intention: string;
  summary: string;
  /** Null where the file has no place for it. */
  edit(content: string): { old_string: string; new_string: string } | null;
}

function colourIn(prompt: string): string | null {
  const name = Object.keys(colours).find((colour) => new RegExp(`\\b${colour}\\b`, "i").test(prompt));
  if (name !== undefined) return name;
  return /\b(colou?rs?|theme)\b/i.test(prompt) ? "blue" : null;
}

function colourChange(prompt: string): Change {
  const name = colourIn(prompt) ?? "blue";
  return {
    file: "style.css",
    intention: `I make the accent colour ${name}.`,
    summary: `The accent colour is ${name} now,`,
    edit: (content) => {
      const old = /--accent: [^;]+;/.exec(content)?.[0];
      return old === undefined ? null : { old_string: old, new_string: `--accent: ${colours[name] ?? name};` };
    },
  };
}

function noteChange(prompt: string): Change {
  const text = prompt.replace(/\s+/g, " ").trim().slice(0, 120);
  const safe = text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  return {
    file: "index.html",
    intention: "I add it to the page.",
    summary: `A line with your request (“${text}”) stands at the foot of the page now,`,
    edit: (content) =>
      content.split("</main>").length === 2
        ? { old_string: "</main>", new_string: `  <p class="note">${safe}</p>\n    </main>` }
        : null,
  };
}
