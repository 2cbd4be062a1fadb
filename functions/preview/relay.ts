import { onRelay } from "../kit/relay.ts";
import { streamed } from "../kit/streamed.ts";
import { livePreviewRelay } from "../live/preview-relay.ts";

export const handler = streamed(onRelay(livePreviewRelay()));
