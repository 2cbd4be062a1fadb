import { resolve } from "node:path";

/** Each must fail inside: the network, the host's files, foreign processes, the other container. */
export const probes: Record<string, string> = {
  "no network": "timeout 2 bash -c 'echo > /dev/tcp/1.1.1.1/53'",
  "no route to this machine": `timeout 2 bash -c 'echo > /dev/tcp/127.0.0.1/${process.env["PORT"] ?? "22"}'`,
  "no write to the host": "touch /usr/evil || touch /etc/evil",
  "no file of the host": `ls ${resolve(import.meta.dirname)}`,
  "no foreign process": `kill -0 ${process.pid}`,
  "no state of the supervisor": "ls /var/lib/sandbox/*",
};

export async function probe(sandbox: { command: (text: string) => Promise<{ output: string }> }): Promise<void> {
  for (const [name, attempt] of Object.entries(probes)) {
    const { output } = await sandbox.command(`(${attempt}) >/dev/null 2>&1 && echo REACHED || echo held`);
    if (!output.includes("held") || output.includes("REACHED")) throw new Error(`isolation: ${name}: ${output}`);
  }
}
