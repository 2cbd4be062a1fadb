import type { Socket } from "node:net";
import { piecesByUnits } from "../../../../../shared/text-pieces.ts";
import { parseLine, readLines, writeLine } from "../../link/lines.ts";
import { maxTerminalLineUnits, TerminalOrder, type TerminalReport } from "../../link/terminal-line.ts";
import { maxReportLineBytes } from "../../link/toolbox-frame.ts";
import { log } from "../../log.ts";
import { Pty, type TerminalSize } from "./pty.ts";

interface Place {
  directory: string;
  environment: Record<string, string>;
}

/** One terminal on one connection: the supervisor's reading is what lets the program write. Returns what ends it. */
export function serveTerminal(socket: Socket, size: TerminalSize, { directory, environment }: Place): () => void {
  const report = (line: TerminalReport): void => {
    if (!socket.destroyed && !writeLine(socket, line)) pty.pause();
  };
  const pty = new Pty({
    ...size,
    directory,
    environment,
    onOpened: () => report({ op: "opened" }),
    onText: (text) => {
      for (const data of piecesByUnits(text, maxTerminalLineUnits)) report({ op: "output", data });
    },
    onExit: (exit_code) => {
      report({ op: "exited", exit_code });
      socket.end();
    },
  });
  socket.on("drain", () => pty.resume());
  socket.on("close", () => pty.close());
  readLines(socket, maxReportLineBytes, (line) => {
    const order = TerminalOrder.safeParse(parseLine(line));
    if (!order.success) return log("malformed order");
    if (order.data.op === "input") pty.write(order.data.data);
    else pty.resize({ cols: order.data.cols, rows: order.data.rows });
  });
  socket.resume();
  return () => pty.close();
}
