import { fork } from "node:child_process";
import { join } from "node:path";

type Told = { ms: number } | { error: string };

/** A platform in a process of its own: beside it a plain spawn would fork all of its memory, and look slow. */
export function startClaims(): { claim: () => Promise<number>; stop: () => void } {
  const child = fork(join(import.meta.dirname, "claims-main.ts"));
  let tell: (told: Told) => void = () => undefined;
  child.on("message", (told) => tell(told as Told));
  child.once("exit", (code) => tell({ error: `the platform ended with ${code}` }));
  return {
    /** Milliseconds from the decision that a session needs a sandbox to the result of its first command. */
    async claim() {
      const answer = new Promise<Told>((resolve) => (tell = resolve));
      child.send("claim");
      const told = await answer;
      if ("error" in told) throw new Error(told.error);
      return told.ms;
    },
    stop: () => child.disconnect(),
  };
}
