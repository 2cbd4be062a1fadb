import { writeOperatorFile } from "../../infra/local/operator-file.ts";
import { startPlatform } from "../../infra/local/platform.ts";
import type { PlatformOptions } from "../../infra/local/platform-options.ts";

/** What the parent asks for: the end of a busy execution environment, of this function or of any. */
export interface KillWorker {
  id: number;
  label: string | null;
}

export type FromPlatform =
  | { kind: "up"; httpUrl: string; webSocketUrl: string; ports: PlatformOptions["ports"] }
  /** Of which function; null where none was busy. */
  | { kind: "killed"; id: number; label: string | null };

/** The whole one-machine platform as `npm start` runs it, with ports and state of its own, and a parent that may kill. */
async function main(options: PlatformOptions): Promise<void> {
  const platform = await startPlatform({ ...options, log: (line) => console.log(line) });
  writeOperatorFile(platform);
  process.on("disconnect", () => process.exit(1));
  const say = (message: FromPlatform) => process.send?.(message);
  const portOf = (url: string) => Number(new URL(url).port);
  process.on("message", ({ id, label }: KillWorker) => {
    const busy = platform.memory().environments.filter((each) => each.busy > 0);
    const chosen = busy.find((each) => label === null || each.label === label);
    say({ kind: "killed", id, label: chosen && platform.kill(chosen.label) ? chosen.label : null });
  });
  say({
    kind: "up",
    httpUrl: platform.httpUrl,
    webSocketUrl: platform.webSocketUrl,
    ports: {
      http: portOf(platform.httpUrl),
      webSocket: portOf(platform.webSocketUrl),
      preview: portOf(platform.previewUrl),
      aws: portOf(platform.awsUrl),
      git: portOf(platform.gitHostUrl),
    },
  });
}

await main(JSON.parse(process.argv[2] ?? "{}") as PlatformOptions);
