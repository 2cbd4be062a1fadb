import { sweep } from "../../shared/domain/turn/sweep.ts";
import { liveSweeper } from "../live/sweeper.ts";

let deps: ReturnType<typeof liveSweeper> | null = null;

export async function handler(): Promise<void> {
  deps ??= liveSweeper();
  await sweep(deps);
}
