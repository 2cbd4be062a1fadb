import { onPreview } from "../kit/preview.ts";
import { livePreviewFront } from "../live/preview-front.ts";

export const handler = onPreview(livePreviewFront);
