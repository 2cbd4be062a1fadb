import { createHash, randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Session } from "../../shared/protocol/session.ts";
import { Refused } from "../../scripts/demo/client.ts";
import { killSupervisors, runTurn, signUp, startLocalPlatform, type Person } from "../support/local-platform.ts";

jest.setTimeout(180_000);

let local: Awaited<ReturnType<typeof startLocalPlatform>>;
let person: Person;

beforeAll(async () => {
  local = await startLocalPlatform();
  person = await signUp(local.platform);
});
afterAll(async () => {
  await local.platform.stop();
  local.forget();
});

interface Read {
  content: string;
  hash: string;
  source: string;
}

/** As any client does it: what starts is asked again. */
async function patiently<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      const again = error instanceof Refused && ["sandbox_starting", "busy"].includes(error.code) && tries < 20;
      if (!again) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

test("a person works on files beside the model: live, by HTTP and frames, and from the checkpoint once nothing runs", async () => {
  const { api, webSocketUrl } = person;
  const { id } = await api.call<Session>("POST", "/sessions", {});
  const files = `/sessions/${id}/files`;
  const socket = await api.connect(webSocketUrl);
  await socket.ask({ type: "session.subscribe", session_id: id });

  // Nothing was ever in it: no sandbox is started to say so.
  expect(await api.call("GET", files)).toEqual({ entries: [], truncated: false, source: "checkpoint" });

  const first = await patiently(() =>
    api.call<{ hash: string }>("PUT", `${files}/notes/plan.md`, { content: "# Plan\n", if_hash: null }),
  );
  await socket.waitFor("file.changed", ({ data }) => JSON.stringify(data).includes("notes/plan.md"));
  const read = await api.call<Read>("GET", `${files}/notes/plan.md`);
  expect(read).toMatchObject({ content: "# Plan\n", hash: first.hash, source: "live" });

  const stale = await api.reply<{ code: string; details: object }>("PUT", `${files}/notes/plan.md`, {
    content: "other",
    if_hash: "0".repeat(40),
  });
  expect(stale).toMatchObject({
    status: 409,
    body: { code: "file_conflict", details: { current: { hash: first.hash, content: "# Plan\n" } } },
  });

  const request_id = "the-same-request";
  const frame = { type: "file.write", session_id: id, path: "b.txt", content: "by frame", if_hash: null, request_id };
  const written = await socket.ask(frame);
  expect(written).toMatchObject({ path: "b.txt", created: true });
  expect(await socket.ask(frame)).toEqual(written);
  expect(await socket.ask({ type: "file.search", session_id: id, q: "by frame" })).toMatchObject({
    engine: "ripgrep",
    matches: [{ path: "b.txt", line: 1 }],
  });

  const bytes = randomBytes(2_000_000);
  const upload = { length: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  const grant = await api.call<{ url: string; headers: Record<string, string> }>("POST", `${files}/upload`, upload);
  const { "content-length": _length, ...headers } = grant.headers;
  expect((await fetch(grant.url, { method: "PUT", headers, body: bytes })).status).toBe(200);
  await patiently(() => api.call("POST", `${files}/upload/complete`, { ...upload, path: "big.bin", if_hash: null }));
  const download = await patiently(() => api.call<{ url: string }>("POST", `${files}/download`, { path: "big.bin" }));
  expect(Buffer.from(await (await fetch(download.url)).arrayBuffer()).equals(bytes)).toBe(true);
  const archive = await patiently(() => api.call<{ url: string }>("POST", `${files}/archive`, {}));
  const tar = gunzipSync(Buffer.from(await (await fetch(archive.url)).arrayBuffer()));
  expect(tar.toString("latin1")).toContain("notes/plan.md");

  await runTurn(socket, id, "rehearsal: say Hello", 60_000);
  await api.call("PUT", `${files}/notes/plan.md`, { content: "# Better plan\n", if_hash: first.hash });
  await socket.waitFor("files.edited", ({ data }) => JSON.stringify(data).includes("notes/plan.md"));
  const { ended } = await runTurn(socket, id, "rehearsal: say I see", 60_000);
  expect(ended.data).toMatchObject({ reason: "completed", checkpoint: 2 });

  killSupervisors();
  await socket.waitFor("container.lost", () => true);
  expect(await api.call<Read>("GET", `${files}/notes/plan.md`)).toMatchObject({
    source: "checkpoint",
    content: "# Better plan\n",
  });
  const kept = await api.call<{ entries: { path: string }[] }>("GET", `${files}?depth=2`);
  expect(kept.entries.map(({ path }) => path)).toEqual(["b.txt", "big.bin", "notes", "notes/plan.md"]);
  const named = await api.call("POST", `${files}/search`, { q: "PLAN", in: "names" });
  expect(named).toMatchObject({ engine: "checkpoint", matches: [{ path: "notes/plan.md" }] });
  await socket.close();
});
