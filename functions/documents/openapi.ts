import type * as z from "zod";
import { meaningOf } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/protocol/error-code.ts";
import { permissions } from "../../shared/protocol/permission.ts";
import { Problem } from "../../shared/protocol/problem.ts";
import { tags, type RouteDescription } from "../kit/route.ts";
import { errorsByStatus, namesIn } from "./errors.ts";
import { headerComponents, headersOfAnswer, headersOfProblem } from "./headers.ts";
import { protocolNames } from "./names.ts";
import { schemaBook, type Json, type SchemaBook } from "./schemas.ts";
import { webhookItems } from "./webhooks.ts";

const reasons: Record<number, string> = {
  200: "Done",
  201: "Created",
  202: "Accepted",
  204: "Done, nothing to say",
  304: "As the caller knows it",
};

const parameterNotes: Record<string, string> = {
  cursor: "`next_cursor` of the page before",
  limit: "The most that one page holds",
  session_id: "A session's id",
};

const securitySchemes = {
  accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "`access_token` of signing in" },
  apiKey: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "API key",
    description: "A key of `POST /api-keys`: `sbx_…`",
  },
};

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  description:
    "Makes the request safe to send again for 24 hours: the same key and request get the same answer. Made up by the caller; a UUID is good.",
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x21-\\x7e]+$" },
};

type Book = SchemaBook & { responses: Record<string, Json> };

function pathParameters({ path, params }: RouteDescription, book: Book): Json[] {
  const schema = params ? book.inline(params, "input") : {};
  const known = (schema["properties"] ?? {}) as Record<string, Json>;
  return namesIn(path).map((name) => ({
    name,
    in: "path",
    required: true,
    // OpenAPI has no word for a parameter that holds slashes.
    ...(path.includes(`{${name}+}`) ? { "x-multi-segment": true } : {}),
    ...(parameterNotes[name] ? { description: parameterNotes[name] } : {}),
    schema: known[name] ?? { type: "string" },
  }));
}

function queryParameters({ query }: RouteDescription, book: Book): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = book.inline(query, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    ...(required.includes(name) ? { required: true } : {}),
    ...(parameterNotes[name] ? { description: parameterNotes[name] } : {}),
    schema,
  }));
}

function requestBody(body: z.ZodType, book: Book): Json {
  return {
    required: !body.safeParse({}).success,
    content: { "application/json": { schema: book.convert(body, "input") } },
  };
}

function contentOf(answer: RouteDescription["answers"][number], book: Book): Json | null {
  if (!answer) return null;
  if (!("textType" in answer)) return { "application/json": { schema: book.convert(answer, "output") } };
  const json = answer.json ? { "application/json": { schema: book.convert(answer.json, "output") } } : {};
  return { ...json, [answer.textType]: { schema: { type: "string" } } };
}

function goodResponses(route: RouteDescription, book: Book): [string, Json][] {
  return Object.entries(route.answers).map(([status, answer]) => {
    const content = contentOf(answer, book);
    const description = reasons[Number(status)] ?? "Done";
    return [status, { description, headers: headersOfAnswer(route), ...(content ? { content } : {}) }];
  });
}

/** One component for all operations that have the same codes under a status. */
function problemResponse(status: number, codes: ErrorCode[], book: Book): Json {
  const name = [status, ...codes].join(".");
  book.responses[name] ??= {
    description: codes.map((code) => `\`${code}\`: ${meaningOf(code).title}`).join("; "),
    headers: headersOfProblem(status),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            book.convert(Problem, "output"),
            { properties: { status: { const: status }, code: { enum: codes } } },
          ],
        },
      },
    },
  };
  return { $ref: `#/components/responses/${name}` };
}

function whoMay({ needs }: RouteDescription): string {
  if (needs === "public") return "Open to everybody.";
  return `Needs the permission \`${needs}\`: ${permissions[needs].join(", ")}.`;
}

function securityOf({ needs }: RouteDescription): Json[] {
  if (needs === "public") return [];
  return needs === "account.self" ? [{ accessToken: [] }] : [{ accessToken: [] }, { apiKey: [] }];
}

function operationOf(route: RouteDescription, book: Book): Json {
  const { method, id, summary, description, tag, needs, body } = route;
  const parameters = [
    ...pathParameters(route, book),
    ...queryParameters(route, book),
    ...(method === "POST" ? [{ $ref: "#/components/parameters/IdempotencyKey" }] : []),
  ];
  const problems = [...errorsByStatus(route)].map(([status, codes]): [string, Json] => [
    String(status),
    problemResponse(status, codes, book),
  ]);
  return {
    operationId: id,
    summary,
    description: [description, whoMay(route)].filter(Boolean).join("\n\n"),
    tags: [tag],
    "x-permission": needs,
    security: securityOf(route),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: requestBody(body, book) } : {}),
    responses: Object.fromEntries([...goodResponses(route, book), ...problems]),
  };
}

/** The HTTP API as OpenAPI 3.1, from the table that serves it. */
export function openApiDocument(routes: readonly RouteDescription[], version: string): Json {
  const book: Book = { ...schemaBook("draft-2020-12", protocolNames()), responses: {} };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll("+}", "}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, book) };
  }
  const webhooks = webhookItems(book);
  const used = new Set(routes.map(({ tag }) => tag));
  return {
    openapi: "3.1.0",
    info: {
      title: "AI Sandbox Platform",
      version,
      description:
        "Sessions in which people build software with an AI. JSON in snake_case; errors are RFC 9457 problems with a stable `code`. Readers ignore fields that they do not know.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: Object.entries(tags)
      .filter(([name]) => used.has(name as keyof typeof tags))
      .map(([name, description]) => ({ name, description })),
    paths,
    webhooks,
    components: {
      schemas: Object.fromEntries(Object.entries(book.components).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      responses: book.responses,
      parameters: { IdempotencyKey: idempotencyKey },
      headers: headerComponents,
      securitySchemes,
    },
  };
}
