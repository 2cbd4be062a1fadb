import { onPreview } from "../kit/preview.ts";
import { streamed } from "../kit/streamed.ts";
import { livePreviewFront } from "../live/preview-front.ts";

export const handler = streamed(onPreview(livePreviewFront));
