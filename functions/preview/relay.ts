import { relayRequest } from "../../shared/adapters/preview-relay-http.ts";
import { RelayRequest, type RelayAnswer } from "../../shared/protocol/relay.ts";

export const handler = (event: unknown): Promise<RelayAnswer> => relayRequest(RelayRequest.parse(event));
