import type { AppError } from "../../shared/errors.ts";

const hash = "ce013625030ba8dba906f756967f9e9ca394464a";
export const fileSha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
const pathOf = (body: unknown) => (body as { path: string }).path;
const written = (body: unknown) => ({ path: pathOf(body), hash, size: 6, created: true });

/** What a sandbox with one file, `hello.txt`, answers at its door. */
export const fileAnswers: Record<string, (body: unknown) => unknown> = {
  "file.list": () => ({
    entries: [{ path: "hello.txt", kind: "file", size: 6, mode: "0644", etag: "1-6" }],
    truncated: false,
  }),
  "file.read": (body) => ({
    path: pathOf(body),
    size: 6,
    mode: "0644",
    hash,
    encoding: "utf8",
    content: "hello\n",
    offset: 0,
    length: 6,
    truncated: false,
  }),
  "file.write": written,
  "file.fetch": written,
  "file.delete": (body) => ({ path: pathOf(body), deleted: true }),
  "file.move": (body) => ({ from: (body as { from: string }).from, to: (body as { to: string }).to }),
  "file.search": () => ({
    matches: [{ path: "hello.txt", line: 1, text: "hello" }],
    truncated: false,
    engine: "ripgrep",
  }),
};

/** A sandbox that refuses each of these with the error. */
export const refusing = (error: AppError): typeof fileAnswers =>
  Object.fromEntries(
    [...Object.keys(fileAnswers), "file.send", "file.archive"].map((op) => [
      op,
      () => {
        throw error;
      },
    ]),
  );
