import { RelayRequest, type RelayAnswer } from "../../shared/protocol/relay.ts";
import { livePreviewRelay } from "../live/preview-relay.ts";

const { relay } = livePreviewRelay();

export const handler = (event: unknown): Promise<RelayAnswer> => relay(RelayRequest.parse(event));
