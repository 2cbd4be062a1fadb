import { onConnect } from "../kit/connect.ts";
import { liveConnect } from "../live/connect.ts";

export const handler = onConnect(liveConnect);
