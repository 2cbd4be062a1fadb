import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiDocument } from "../../functions/documents/openapi.ts";
import { routes } from "../../functions/http/routes.ts";
import { checking, once, validators, type Json } from "./json-schema.ts";

export interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security: Json[];
  "x-permission": string;
  parameters?: ({ name: string; in: string; "x-multi-segment"?: boolean } | { $ref: string })[];
  requestBody?: { required: boolean };
  responses: Record<string, Json>;
}

/** `/openapi.json` as it is served. */
export const openApi = once(() => openApiDocument(routes, "0.1.0"));
export const httpSchema = validators(openApi, () => new Ajv2020(checking));

export interface DocumentedOperation {
  method: string;
  path: string;
  operation: Operation;
}

export function documentedOperations(): DocumentedOperation[] {
  const { paths } = openApi() as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}
