import type { StageConfig } from "../stage-config.ts";
import type { DataTable } from "./data-table.ts";
import type { OneFunctionApi } from "./http-api.ts";
import type { JobQueue } from "./jobs.ts";
import type { Network } from "./network.ts";
import type { FunctionSettings } from "./node-function.ts";
import type { ObjectsBucket } from "./objects-bucket.ts";
import type { Outbound } from "./outbound.ts";
import type { PlatformSecrets } from "./platform-secrets.ts";
import type { Relay } from "./preview-functions.ts";
import type { SandboxTask } from "./sandbox-task.ts";
import type { FrameApi } from "./websocket-api.ts";
import type { StreamedApi } from "./streamed-api.ts";
import type { WorkQueue } from "./work-queue.ts";

/** What the functions are built upon. */
export interface Platform {
  readonly config: StageConfig;
  readonly settings: FunctionSettings;
  readonly table: DataTable;
  readonly queue: WorkQueue;
  readonly outbound: Outbound;
  readonly jobs: JobQueue;
  readonly bucket: ObjectsBucket;
  readonly secrets: PlatformSecrets;
  readonly api: OneFunctionApi;
  readonly sockets: FrameApi;
  readonly network: Network;
  /** By way of which the sandboxes are reached. */
  readonly relay: Relay;
  readonly task: SandboxTask;
  readonly previewApi: StreamedApi;
  /** Empty where the stage has no previews. */
  readonly previewOrigin: string;
}
