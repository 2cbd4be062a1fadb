import { relayRequest } from "../../shared/adapters/preview-relay-http.ts";
import { askSupervisor } from "../../shared/adapters/sandbox-door-http.ts";

export const livePreviewRelay = () => ({ relay: relayRequest, door: askSupervisor });
