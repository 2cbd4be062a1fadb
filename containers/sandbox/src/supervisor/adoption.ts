import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../../../../shared/config/env.ts";
import type { Welcome } from "../../../../shared/protocol/sandbox-frame.ts";
import { log } from "../log.ts";
import { version } from "../version.ts";
import { type Command, type FreeLink, PlatformLink } from "./platform/platform-link.ts";
import { TokenHolder, redeemBootSecret } from "./platform/sandbox-token.ts";

/** In place of a tenant, at the launch of a sandbox that is nobody's yet. */
const poolTenant = "ten_00000000000000000000000000";

type Launched = Environment<"supervisor">;
type Adoption = Extract<Command, { type: "adopt" }>;

interface AdoptionOptions {
  /** Its own address, and whether all is there that a session without a repository needs. */
  prepared: Promise<{ private_ip: string | null; isPrepared: boolean }>;
  random: () => number;
  exit: (code: number) => void;
}

/** Whom it serves, and the link where that goes on as it is; without one it links with a token of its own. */
export interface Adopted {
  environment: Launched;
  link?: FreeLink | null;
  /** The answer to its hello, where the platform needs none. */
  welcome?: Welcome | undefined;
}

const renewTimeoutMs = 20_000;

export function isNobodys({ TENANT_ID }: Launched): boolean {
  return TENANT_ID === poolTenant;
}

/**
 * Waits, on a link of its own that can do nothing else, for the one session that this sandbox will serve: the environment
 * of a supervisor that was launched for it. Rejects where the platform does not want this sandbox.
 */
export async function awaitAdoption(
  environment: Launched,
  { prepared, random, exit }: AdoptionOptions,
): Promise<Adopted> {
  const { PLATFORM_URL, WEBSOCKET_URL, TENANT_ID, SESSION_ID, EPOCH, BOOT_SECRET } = environment;
  const secret = { tenant_id: TENANT_ID, session_id: SESSION_ID, epoch: EPOCH, boot_secret: BOOT_SECRET };
  const holder = new TokenHolder(() => redeemBootSecret(PLATFORM_URL, secret, random));
  const [{ private_ip, isPrepared }] = await Promise.all([prepared, holder.current()]);
  const { adopted, open } = await new Promise<{ adopted: Adoption; open: FreeLink | null }>((resolve) => {
    const link = new PlatformLink({
      url: WEBSOCKET_URL,
      token: () => holder.current(),
      hello: { version, private_ip, adopts_in_place: true, ...(isPrepared ? { is_prepared: true } : {}) },
      heartbeat: { is_nobodys: true },
      random,
      onWelcome: () => log("waiting for a session"),
      onCommand: (command) => {
        if (command.type === "stop") return exit(0);
        if (command.type !== "adopt") return;
        const open = command.in_place ? link.release() : null;
        if (!open) link.close();
        resolve({ adopted: command, open });
      },
      onFenced: () => exit(1),
    });
    link.connect();
    holder.keepFresh(() => link.request({ type: "sandbox.renew_token" }, renewTimeoutMs));
  });
  holder.stop();
  // For whoever looks at this machine from outside: the environment that it was started with names nobody.
  writeFileSync(join(environment.STATE_DIR, "session"), adopted.session_id);
  log("adopted", { session_id: adopted.session_id, epoch: adopted.epoch });
  const { tenant_id, session_id, epoch, boot_secret } = adopted;
  const own = { TENANT_ID: tenant_id, SESSION_ID: session_id, EPOCH: epoch, BOOT_SECRET: boot_secret };
  return { environment: { ...environment, ...own }, link: open, welcome: adopted.welcome };
}
