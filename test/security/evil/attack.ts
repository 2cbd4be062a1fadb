import type { Act, Acted } from "../../support/puppet.ts";

/** Where an attack may aim: all of it is outside the attacker's session. */
export interface Targets {
  /** A folder of this machine that anybody may write, and a text in a file there. */
  witness: string;
  secret: string;
  /** Listens on loopback, TCP and UDP; in an abstract socket; in `witness`. */
  trapPort: number;
  abstractName: string;
  /** Ports of the platform itself: APIs, AWS endpoint, git host, model. */
  ports: number[];
  /** Of the other session: its supervisor's address, and a text in its workspace. */
  victim: { id: string; address: string; port: number; text: string };
  httpUrl: string;
}

export interface Attack {
  name: string;
  /** In their order, all in one step. */
  acts: (at: Targets) => Act[];
  /** Beside the oracles that hold for every attack: what must be so of what the tools answered. */
  holds?: (outcomes: Acted[], at: Targets) => void;
  /** Its own shell or tool runner may die of it. */
  mayBreakOff?: boolean;
}

/** Printed by an attack's own code where it got what it wanted. */
export const effect = "EFFECT:";

export const bash = (command: string): Act => ({
  name: "bash",
  input: { command: `${command}\necho ; echo ran`, timeout_ms: 30_000 },
});

export const tool = (name: string, input: Record<string, unknown>): Act => ({ name, input });

/** In its shell, which says at its end that it really ran. */
export const byShell = (
  name: string,
  command: string | ((at: Targets) => string),
  more: Partial<Attack> = {},
): Attack => ({
  name,
  acts: (at) => [bash(typeof command === "string" ? command : command(at))],
  ...more,
});

export const byTool = (name: string, of: string, input: (at: Targets) => Record<string, unknown>): Attack => ({
  name,
  acts: (at) => [tool(of, input(at))],
});

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A Python program; `effect(text)` prints that it got there, `sys(name, ...)` makes a system call by its number. */
export const python = (program: string): string => `python3 -c ${quote(`${prelude}\n${program}`)}`;

const prelude = `
import ctypes, os, platform, socket, struct, sys, signal
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def effect(text): print("EFFECT:" + str(text), flush=True)
def call(numbers, *rest):
    got = libc.syscall(numbers[0] if x86 else numbers[1], *rest)
    return got
def attempt(what, run):
    try:
        got = run()
        if got not in (None, False, -1): effect(what + " " + str(got))
    except Exception as error: print(what, type(error).__name__, error)
`;
