import * as z from "zod";
import { createApiKey, listApiKeys, revokeApiKey } from "../../../shared/domain/api-key/api-key.ts";
import { ApiKey, CreateApiKeyAnswer, CreateApiKeyRequest } from "../../../shared/protocol/api-key.ts";
import { page, PageQuery } from "../../../shared/protocol/page.ts";
import { route } from "../deps.ts";

export const apiKeyRoutes = [
  route({
    method: "POST",
    path: "/api-keys",
    id: "createApiKey",
    summary: "Makes an API key, whose text is shown this once",
    description: "Its scopes are some of what the caller may do. A key makes no key that outlives it.",
    tag: "Tenant",
    needs: "api_key.manage",
    body: CreateApiKeyRequest,
    answers: { 201: CreateApiKeyAnswer },
    run: async ({ input, actor, deps }) => ({ status: 201, body: await createApiKey(deps, actor, input.body) }),
  }),
  route({
    method: "GET",
    path: "/api-keys",
    id: "listApiKeys",
    summary: "Lists the tenant's API keys, oldest first",
    tag: "Tenant",
    needs: "api_key.manage",
    query: PageQuery,
    answers: { 200: page(ApiKey) },
    run: async ({ input, actor, deps }) => ({
      status: 200,
      body: await listApiKeys(deps, actor.tenantId, input.query),
    }),
  }),
  route({
    method: "DELETE",
    path: "/api-keys/{key_id}",
    id: "revokeApiKey",
    summary: "Revokes an API key and closes its sockets",
    tag: "Tenant",
    needs: "api_key.manage",
    params: z.object({ key_id: z.string() }),
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await revokeApiKey(deps, actor.tenantId, input.params.key_id);
      return { status: 204 };
    },
  }),
];
