import * as z from "zod";
import { listPreviews, openPreview } from "../../../shared/domain/preview/preview.ts";
import { OpenPreviewAnswer, OpenPreviewRequest, PreviewList } from "../../../shared/protocol/preview.ts";
import { route } from "../deps.ts";

export const previewRoutes = [
  route({
    method: "GET",
    path: "/sessions/{session_id}/preview",
    id: "listPreviews",
    summary: "Ports on which servers listen in the sandbox now",
    tag: "Workspace",
    errors: ["sandbox_unavailable"],
    needs: "session.read",
    params: z.object({ session_id: z.string() }),
    answers: { 200: PreviewList },
    run: async ({ input, actor, deps }) => {
      const key = { tenant_id: actor.tenantId, session_id: input.params.session_id };
      return { status: 200, body: await listPreviews(deps, key) };
    },
  }),
  route({
    method: "POST",
    path: "/sessions/{session_id}/preview",
    id: "openPreview",
    summary: "Makes a ticket that opens the preview of a port",
    tag: "Workspace",
    errors: ["preview_unavailable"],
    needs: "session.read",
    params: z.object({ session_id: z.string() }),
    body: OpenPreviewRequest,
    answers: { 201: OpenPreviewAnswer },
    run: async ({ input, actor, deps }) => {
      const { session_id } = input.params;
      return { status: 201, body: await openPreview(deps, actor, { session_id, port: input.body.port }) };
    },
  }),
];
