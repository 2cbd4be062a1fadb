export interface Page {
  status: number;
  headers: [string, string][];
  body: string;
}

interface Words {
  status: number;
  title: string;
  text: string;
  /** After how many seconds the page looks again. */
  retrySeconds?: number;
}

const common: [string, string][] = [
  ["cache-control", "no-store"],
  ["x-robots-tag", "noindex"],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
];
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Looks again by itself: a browser that navigates has nobody to retry for it. */
function html({ title, text, retrySeconds }: Words): string {
  const again = retrySeconds === undefined ? "" : `<meta http-equiv="refresh" content="${retrySeconds}">`;
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8">${again}<title>${escaped(title)}</title>`,
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1rem;color-scheme:light dark}</style>",
    `</head><body><h1>${escaped(title)}</h1><p>${escaped(text)}</p></body></html>\n`,
  ].join("");
}

/** For people a page, for programs a line of text. */
export function pageOf(words: Words, isNavigation: boolean): Page {
  const headers: [string, string][] = [...common];
  if (words.retrySeconds !== undefined) headers.push(["retry-after", String(words.retrySeconds)]);
  if (!isNavigation) {
    headers.push(["content-type", "text/plain; charset=utf-8"]);
    return { status: words.status, headers, body: `${words.text}\n` };
  }
  headers.push(["content-type", "text/html; charset=utf-8"], ["content-security-policy", policy]);
  return { status: words.status, headers, body: html(words) };
}

export const words = {
  expired: { status: 403, title: "This link has expired", text: "This link has expired. Open the preview again." },
  closed: { status: 403, title: "Not open", text: "Open this preview from its session." },
  foreign: { status: 403, title: "Not allowed", text: "This request comes from another site." },
  postTicket: { status: 405, title: "Post the ticket", text: "Post the ticket here." },
  reserved: { status: 404, title: "Not found", text: "This path is the platform's." },
  gone: { status: 404, title: "No such session", text: "This session does not exist any more." },
  noSockets: {
    status: 501,
    title: "No WebSockets",
    text: "Previews of this deployment carry no WebSockets. Pages must be reloaded by hand, or poll.",
  },
  starting: {
    status: 503,
    title: "Starting the sandbox",
    text: "The sandbox of this session is starting. This page looks again by itself.",
    retrySeconds: 2,
  },
  ended: { status: 503, title: "The sandbox ended", text: "The sandbox of this session has ended." },
  noAnswer: {
    status: 502,
    title: "No answer",
    text: "The sandbox did not answer. It may have just stopped; this page looks again by itself.",
    retrySeconds: 5,
  },
  failed: { status: 502, title: "No answer", text: "The preview did not answer." },
} satisfies Record<string, Words>;

export function fullWords(message: string): Words {
  return { status: 503, title: "No sandbox", text: message, retrySeconds: 15 };
}

/** A cold start brings the files back, not the processes. */
export function noListenerWords(port: number): Words {
  return {
    status: 502,
    title: `Nothing listens on port ${port}`,
    text: `The sandbox is up, but nothing listens on port ${port}. A server does not outlive its sandbox: ask the AI to start it, or run its command in a terminal. This page looks again by itself.`,
    retrySeconds: 3,
  };
}
