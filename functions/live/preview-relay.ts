import { relayRequest } from "../../shared/adapters/preview-relay-http.ts";

export const livePreviewRelay = () => ({ relay: relayRequest });
