import type { ServerEvent } from "../../shared/protocol/server-event.ts";

const isTerminal = process.stdout.isTTY === true;
const paint = (code: number) => (text: string) => (isTerminal ? `\u001B[${code}m${text}\u001B[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const green = paint(32);
export const red = paint(31);
export const cyan = paint(36);

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function stage(name: string): void {
  say(`\n${bold(`▸ ${name}`)}`);
}

function describeInput(input: Record<string, unknown>): string {
  const shown = input["command"] ?? input["file_path"] ?? input["pattern"];
  const text = typeof shown === "string" ? shown : JSON.stringify(input);
  const [first = "", ...rest] = text.split("\n");
  return rest.length > 0 ? `${first} ${dim(`(+${rest.length} lines)`)}` : first;
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `    ${dim("│")} ${dim(line)}`)
    .join("\n");
}

/** Shows a session's events as they come: text as it streams, tools with their live output. */
export class Narrator {
  private midLine = false;
  private readonly live = new Set<string>();

  show(event: ServerEvent): void {
    switch (event.type) {
      case "message.delta":
        if (event.data.block === "text") this.write(event.data.text);
        return;
      case "tool.started":
        return this.line(`  ${cyan(event.data.name)} ${describeInput(event.data.input)}`);
      case "tool.output":
        this.live.add(event.data.call_id);
        return this.line(indent(event.data.text.trimEnd()));
      case "tool.completed": {
        const { call_id, output, is_error, duration_ms } = event.data;
        if (!this.live.has(call_id) && output !== "") this.line(indent(clip(output)));
        return this.line(`    ${is_error ? red("✗") : green("✓")} ${dim(`${duration_ms ?? 0} ms`)}`);
      }
      case "container.starting":
      case "container.ready":
        return this.line(dim(`  ${event.type} (epoch ${event.data.epoch})`));
      case "container.lost":
        return this.line(red(`  container lost: ${event.data.reason}`));
      case "preview.ready":
        return this.line(dim(`  preview ready on port ${event.data.port}`));
      case "model.waiting":
        return this.line(dim(`  the model is busy, again in ${event.data.retry_after_ms} ms`));
      case "file.changed":
        return this.line(
          dim(
            `  files changed: ${event.data.changes
              .map(({ path }) => path)
              .slice(0, 4)
              .join(", ")}`,
          ),
        );
      default:
    }
  }

  private write(text: string): void {
    process.stdout.write(text);
    this.midLine = !text.endsWith("\n");
  }

  private line(text: string): void {
    if (this.midLine) process.stdout.write("\n");
    this.midLine = false;
    say(text);
  }
}

function clip(output: string): string {
  const lines = output.trimEnd().split("\n");
  return lines.length <= 12
    ? lines.join("\n")
    : [...lines.slice(0, 8), `… ${lines.length - 11} lines …`, ...lines.slice(-3)].join("\n");
}
