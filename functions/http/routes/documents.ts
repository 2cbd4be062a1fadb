import * as z from "zod";
import { digestOf } from "../../../shared/digest.ts";
import { asyncApiDocument } from "../../documents/asyncapi.ts";
import { openApiDocument } from "../../documents/openapi.ts";
import type { Json } from "../../documents/schemas.ts";
import type { RouteDescription } from "../../kit/route.ts";
import { route, type HttpDeps } from "../deps.ts";

const cached = { "cache-control": "public, max-age=300" };
const answerHeaders = { etag: "Changes with the document; send it as `If-None-Match`" };

/** A document is made when the first one asks for it, and kept while the process lives. */
function documentRoute(
  path: string,
  id: string,
  summary: string,
  schema: z.ZodType<Json>,
  make: (facts: HttpDeps["facts"]) => Json,
) {
  let made: { document: Json; etag: string } | null = null;
  return route({
    method: "GET",
    path,
    id,
    summary,
    tag: "Platform",
    needs: "public",
    answers: { 200: schema, 304: null },
    answerHeaders,
    run: async ({ deps, header }) => {
      const document = made?.document ?? make(deps.facts);
      made ??= { document, etag: `"${digestOf(JSON.stringify(document))}"` };
      const headers = { ...cached, etag: made.etag };
      if (header("if-none-match") === made.etag) return { status: 304, headers };
      return { status: 200, headers, body: document };
    },
  });
}

/** `routes`: all that are served, these two among them. */
export const documentRoutes = (routes: () => readonly RouteDescription[]) => [
  documentRoute(
    "/openapi.json",
    "readOpenApi",
    "Describes the HTTP API (OpenAPI 3.1)",
    z.looseObject({ openapi: z.string() }),
    ({ version }) => openApiDocument(routes(), version),
  ),
  documentRoute(
    "/asyncapi.json",
    "readAsyncApi",
    "Describes the WebSocket API (AsyncAPI 3.0)",
    z.looseObject({ asyncapi: z.string() }),
    asyncApiDocument,
  ),
];
