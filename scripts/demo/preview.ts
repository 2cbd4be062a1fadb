import { request } from "node:http";
import type { OpenPreviewAnswer } from "../../shared/protocol/preview.ts";
import type * as z from "zod";

export interface PreviewPage {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** `*.localhost` is this machine in every browser, but not in every resolver: so the name goes into the header. */
export function fetchPage(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<PreviewPage> {
  const { hostname, port, pathname, search, host } = new URL(url);
  const isLocal = hostname.endsWith(".localhost");
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: isLocal ? "127.0.0.1" : hostname,
        port,
        path: pathname + search,
        method: options.method ?? "GET",
        headers: { ...options.headers, host },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
        incoming.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

/** As a browser opens a preview: the ticket is posted, the cookie it gives opens the app. */
export async function openPreview(answer: z.infer<typeof OpenPreviewAnswer>): Promise<PreviewPage> {
  const opened = await fetchPage(answer.open_url, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ ticket: answer.ticket }).toString(),
  });
  const cookie = opened.headers["set-cookie"]?.[0]?.split(";")[0];
  if (opened.status !== 303 || !cookie) throw new Error(`the preview's ticket was answered with ${opened.status}`);
  return fetchPage(`${answer.origin}/`, { headers: { cookie } });
}
