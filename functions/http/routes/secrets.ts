import * as z from "zod";
import { deleteSecret, listSecrets, putSecret } from "../../../shared/domain/secret/secret.ts";
import { page } from "../../../shared/protocol/page.ts";
import { SecretName } from "../../../shared/protocol/sandbox-config.ts";
import { PutSecretRequest, Secret } from "../../../shared/protocol/secret.ts";
import { route } from "../deps.ts";

const ofSecret = z.object({ name: SecretName });
/** Any text: a name that is none is not found. */
const anyName = z.object({ name: z.string() });

export const secretRoutes = [
  route({
    method: "PUT",
    path: "/secrets/{name}",
    id: "putSecret",
    summary: "Sets the value of a secret, of a new one or of one that is there",
    description:
      'A session\'s `sbx_config.environment` gives it to the commands of its sandbox: `{"TOKEN": {"secret": "NAME"}}`. No answer shows the value. A sandbox that runs has a new value within 30 seconds.',
    tag: "Tenant",
    errors: ["quota_exceeded"],
    needs: "secret.manage",
    params: ofSecret,
    body: PutSecretRequest,
    answers: { 200: Secret },
    run: async ({ input, actor, deps }) => {
      const key = { tenant_id: actor.tenantId, name: input.params.name };
      return { status: 200, body: await putSecret(deps, key, actor.userId, input.body.value) };
    },
  }),
  route({
    method: "GET",
    path: "/secrets",
    id: "listSecrets",
    summary: "Lists the names of the tenant's secrets, never their values",
    tag: "Tenant",
    needs: "secret.manage",
    answers: { 200: page(Secret) },
    run: async ({ actor, deps }) => ({
      status: 200,
      body: { data: await listSecrets(deps.table, actor.tenantId), next_cursor: null },
    }),
  }),
  route({
    method: "DELETE",
    path: "/secrets/{name}",
    id: "deleteSecret",
    summary: "Deletes a secret",
    description: "Commands that start later are without it; what runs keeps what it was given.",
    tag: "Tenant",
    needs: "secret.manage",
    params: anyName,
    answers: { 204: null },
    run: async ({ input, actor, deps }) => {
      await deleteSecret(deps.table, { tenant_id: actor.tenantId, name: input.params.name });
      return { status: 204 };
    },
  }),
];
