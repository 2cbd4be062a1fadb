import * as z from "zod";
import { log, messageOf } from "../log.ts";
import { exchange } from "./platform/http-exchange.ts";

const Metadata = z.object({ Networks: z.array(z.object({ IPv4Addresses: z.array(z.string()) })) });

/** Without the address nobody reaches the files, terminals and ports of this sandbox for as long as it lives: worth waiting for. */
const tryMs = [2_000, 5_000, 10_000, 20_000];

/** The task's private address, from the container metadata endpoint (version 4); null where there is none. */
export async function privateAddress(
  metadataUri: string | undefined,
  timeoutsMs: readonly number[] = tryMs,
): Promise<string | null> {
  if (!metadataUri) return null;
  for (const timeoutMs of timeoutsMs) {
    try {
      const answer = await exchange({ url: metadataUri, timeoutMs, maxBytes: 1024 * 1024 });
      return Metadata.parse(JSON.parse(answer.body.toString("utf8"))).Networks[0]?.IPv4Addresses[0] ?? null;
    } catch (error) {
      log("no task metadata", { error: messageOf(error) });
    }
  }
  return null;
}
