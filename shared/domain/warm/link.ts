import { AppError } from "../../errors.ts";
import { sendCommand } from "../container/command.ts";
import { findContainer } from "../container/container.ts";
import { isLive } from "../container/container.decisions.ts";
import type { Table } from "../../data/service.ts";
import type { Clock } from "../../ports/clock.ts";
import { emptySource, type SandboxFrameType } from "../../protocol/sandbox-frame.ts";
import { sendAdoption, type AdoptDeps } from "./adopt.ts";
import { poolEpoch } from "./warm.decisions.ts";
import { findWarm, patchWarm, type WarmSandbox } from "./warm.ts";

export interface WarmLinkDeps extends AdoptDeps {
  table: Table;
  clock: Pick<Clock, "now">;
}

export interface WarmLink {
  poolId: string;
  connectionId: string;
  /** The link became a session's, and whoever is at its other end was not told. */
  isAdopted?: boolean;
}

/** All that a sandbox may say which is nobody's. */
export const warmFrames: readonly SandboxFrameType[] = ["sandbox.hello", "sandbox.heartbeat", "sandbox.renew_token"];

/** Who claimed it may have died before it was told, or the message was lost. */
async function adoptAgain(deps: WarmLinkDeps, warm: WarmSandbox, link: WarmLink): Promise<void> {
  const { tenant_id = "", session_id = "", epoch = 0, task_id } = warm;
  const container = await findContainer(deps.table, { tenant_id, session_id }, epoch);
  const isWanted = container && isLive(container) && container.task_id === task_id && !container.boot_redeemed_at;
  const at = { connection_id: link.connectionId, adopts_in_place: link.isAdopted ?? false };
  if (isWanted) await sendAdoption(deps, at, container);
  else await sendCommand(deps, at, { type: "stop", reason: "it is nobody's any more" });
}

type Greeting = Pick<WarmSandbox, "status" | "adopts_in_place" | "is_prepared" | "private_ip">;

async function touch(deps: WarmLinkDeps, link: WarmLink, greeting?: Greeting): Promise<void> {
  const { poolId, connectionId } = link;
  const heard = { last_heartbeat_at: deps.clock.now(), connection_id: connectionId };
  if (await patchWarm(deps.table, poolId, { ...heard, ...greeting })) return;
  const warm = await findWarm(deps.table, poolId);
  if (warm) return adoptAgain(deps, warm, link);
  await sendCommand(deps, { connection_id: connectionId }, { type: "stop", reason: "it is nobody's any more" });
  throw new AppError("conflict", "This sandbox is not wanted any more");
}

export async function greetWarm(
  deps: WarmLinkDeps,
  link: WarmLink,
  frame: {
    frame_id: string;
    private_ip: string | null;
    adopts_in_place?: true | undefined;
    is_prepared?: true | undefined;
  },
): Promise<void> {
  const { adopts_in_place = false, is_prepared = false, private_ip } = frame;
  await touch(deps, link, { status: "warm", adopts_in_place, is_prepared, ...(private_ip ? { private_ip } : {}) });
  await sendCommand(
    deps,
    { connection_id: link.connectionId },
    {
      type: "welcome",
      frame_id: frame.frame_id,
      session_id: link.poolId,
      epoch: poolEpoch,
      source: emptySource,
      preview_key: "",
      idle_stop_seconds: 1,
    },
  );
}

export function keepWarm(deps: WarmLinkDeps, link: WarmLink): Promise<void> {
  return touch(deps, link);
}
