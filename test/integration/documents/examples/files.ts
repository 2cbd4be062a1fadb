import { AppError } from "../../../../shared/errors.ts";
import { transferKey } from "../../../../shared/domain/file/transfer.ts";
import type { ErrorCode } from "../../../../shared/protocol/error-code.ts";
import { fakeDoor, memoryObjects } from "../../../support/fakes.ts";
import { fileAnswers, fileSha256, refusing } from "../../../support/file-answers.ts";
import { runningSandbox } from "../../../support/running-sandbox.ts";
import type { Ask, Example, Examples, World } from "../world.ts";
import { session } from "./sessions.ts";

interface Request {
  /** Behind `/files`. */
  rest: string;
  query?: string;
  body?: unknown;
}

const length = 6;

/** A session whose sandbox runs, and what was uploaded to it. */
async function asked(world: World, request: Request, answers: typeof fileAnswers = fileAnswers): Promise<Ask> {
  const session_id = await session(world);
  const key = { tenant_id: world.owner.tenant.id, session_id };
  await runningSandbox(world.platform.deps, key);
  const objects = memoryObjects();
  const object = transferKey(key, fileSha256);
  await objects.put(object, "hello\n", "text/plain");
  const sent = () => ({ key: object, size: length, sha256: fileSha256 });
  const door = fakeDoor({ "file.send": sent, "file.archive": sent, ...answers });
  const { rest, ...more } = request;
  return { path: `/sessions/${session_id}/files${rest}`, ...more, changed: { door, objects } };
}

const fromSandbox = (request: Request, codes: readonly ErrorCode[]): Example["fails"] =>
  Object.fromEntries(
    codes.map((code) => [code, (world: World) => asked(world, request, refusing(new AppError(code)))]),
  );

const always = ["sandbox_unavailable", "busy", "quota_exceeded"] as const;

/** No sandbox runs, and nobody starts one. */
async function asleep(world: World, { rest, ...more }: Request): Promise<Ask> {
  const session_id = await session(world);
  const objects = memoryObjects();
  await objects.put(transferKey({ tenant_id: world.owner.tenant.id, session_id }, fileSha256), "hello\n", "text/plain");
  return { path: `/sessions/${session_id}/files${rest}`, ...more, changed: { objects } };
}

function example(request: Request, outside: Request, codes: readonly ErrorCode[] = []): Example {
  return {
    status: 200,
    ask: (world) => asked(world, request),
    fails: {
      ...fromSandbox(request, [...always, ...codes]),
      path_not_allowed: (world) => asked(world, outside),
      sandbox_starting: (world) => asleep(world, request),
    },
  };
}

const write = { content: "hello\n", if_hash: null };
const upload = { length, sha256: fileSha256 };
const complete = { ...upload, path: "hello.txt", if_hash: null };

export const fileExamples: Examples = {
  listFiles: {
    ...example({ rest: "" }, { rest: "", query: "path=.git" }),
    fails: {
      ...example({ rest: "" }, { rest: "", query: "path=.git" }).fails,
      // Nothing was ever in it: that is known without a sandbox.
      sandbox_starting: (world) => asked(world, { rest: "" }, refusing(new AppError("sandbox_starting"))),
    },
  },
  readFile: example({ rest: "/hello.txt" }, { rest: "/.git/config" }),
  writeFile: example({ rest: "/hello.txt", body: write }, { rest: "/.git/config", body: write }, [
    "file_conflict",
    "payload_too_large",
  ]),
  deleteFile: example({ rest: "/hello.txt" }, { rest: "/.git/config" }, ["file_conflict", "conflict"]),
  moveFile: example(
    { rest: "/move", body: { from: "hello.txt", to: "b.txt" } },
    { rest: "/move", body: { from: "../x", to: "b.txt" } },
    ["conflict"],
  ),
  searchFiles: example({ rest: "/search", body: { q: "hello" } }, { rest: "/search", body: { q: "x", path: ".git" } }),
  uploadFile: { status: 200, ask: (world) => asked(world, { rest: "/upload", body: upload }) },
  completeUpload: example(
    { rest: "/upload/complete", body: complete },
    { rest: "/upload/complete", body: { ...complete, path: "/etc/passwd" } },
    ["file_conflict", "conflict", "payload_too_large"],
  ),
  downloadFile: example(
    { rest: "/download", body: { path: "hello.txt" } },
    { rest: "/download", body: { path: "../x" } },
    ["payload_too_large"],
  ),
  archiveFiles: example({ rest: "/archive", body: {} }, { rest: "/archive", body: { path: "../x" } }, [
    "payload_too_large",
  ]),
};
