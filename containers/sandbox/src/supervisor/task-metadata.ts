import * as z from "zod";
import { log, messageOf } from "../log.ts";
import { exchange } from "./platform/http-exchange.ts";

const Metadata = z.object({ Networks: z.array(z.object({ IPv4Addresses: z.array(z.string()) })) });

/** The task's private address, from the container metadata endpoint (version 4); null where there is none. */
export async function privateAddress(metadataUri: string | undefined): Promise<string | null> {
  if (!metadataUri) return null;
  try {
    const answer = await exchange({ url: metadataUri, timeoutMs: 2000, maxBytes: 1024 * 1024 });
    return Metadata.parse(JSON.parse(answer.body.toString("utf8"))).Networks[0]?.IPv4Addresses[0] ?? null;
  } catch (error) {
    log("no task metadata", { error: messageOf(error) });
    return null;
  }
}
