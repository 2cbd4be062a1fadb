import { subprotocol, ticketPrefix } from "../../shared/protocol/client-frame.ts";
import { clientChannel, sandboxChannel } from "./channels.ts";
import { protocolNames } from "./names.ts";
import { schemaBook, type Json } from "./schemas.ts";

const handshake = {
  ws: {
    method: "GET",
    headers: {
      type: "object",
      properties: {
        Authorization: { type: "string", description: "`Bearer <access token or API key>` (servers)" },
        "Sec-WebSocket-Protocol": {
          type: "string",
          description: `\`${subprotocol}, ${ticketPrefix}<ticket>\` (browsers); \`${subprotocol}\` beside a bearer`,
        },
        Origin: { type: "string", description: "Must be one of the deployment's, where there is one" },
      },
    },
    bindingVersion: "0.1.0",
  },
};

const securitySchemes = {
  bearer: { type: "http", scheme: "bearer", description: "An access token or an API key" },
  ticket: {
    type: "httpApiKey",
    in: "header",
    name: "Sec-WebSocket-Protocol",
    description: "A ticket of `POST /ws-tickets`, good once within 60 s. No token is ever read from the URL",
  },
};

/** The WebSocket API as AsyncAPI 3.0, from the tables that serve it. */
export function asyncApiDocument({ version, websocketUrl }: { version: string; websocketUrl: string }): Json {
  const { host, pathname, protocol } = new URL(websocketUrl);
  const book = schemaBook("draft-7", protocolNames());
  const channels = [clientChannel(), sandboxChannel()];
  const messages = channels.flatMap((channel) =>
    channel.messages.map(({ name, summary, payload, view }): [string, Json] => [
      name,
      { name, summary, payload: book.convert(payload, view) },
    ]),
  );
  return {
    asyncapi: "3.0.0",
    info: {
      title: "AI Sandbox Platform",
      version,
      description: "Live sessions over one WebSocket. Readers ignore events and fields that they do not know.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    defaultContentType: "application/json",
    servers: {
      sockets: {
        host,
        protocol: protocol.replace(":", ""),
        security: Object.keys(securitySchemes).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
      },
    },
    channels: Object.fromEntries(
      channels.map(({ name, title, description, messages: said }) => [
        name,
        {
          address: pathname,
          title,
          description,
          messages: Object.fromEntries(said.map((one) => [one.name, { $ref: `#/components/messages/${one.name}` }])),
          bindings: handshake,
        },
      ]),
    ),
    operations: Object.assign({}, ...channels.map(({ operations }) => operations)) as Json,
    components: {
      messages: Object.fromEntries(messages),
      schemas: Object.fromEntries(Object.entries(book.components).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes,
    },
  };
}
