import { createHash } from "node:crypto";
import { signedCursors } from "../../shared/adapters/cursors-signed.ts";
import { eventAnswers, messageAnswers } from "../../shared/domain/session/history.ts";
import type { SessionKey } from "../../shared/domain/timeline/row.ts";
import type { Ids } from "../../shared/ports/ids.ts";
import type { Model } from "../../shared/ports/model.ts";
import { startEngine, type Engine } from "../support/engine.ts";
import { fixedSecret } from "../support/fakes.ts";
import { turnDriver } from "../support/turn-driver.ts";

/** The same ids in the same order: two recordings of one release are equal. `run` keeps those of a later run apart. */
export function countedIds(run: string): Ids {
  let count = 0;
  const digest = () =>
    createHash("sha256")
      .update(`${run} ${(count += 1)}`)
      .digest();
  const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const ulid = () => {
    const tail = [...digest().subarray(0, 12)].map((byte) => letters[byte % 32]).join("");
    return `01K${String(count).padStart(11, "0")}${tail}`;
  };
  const uuid = () => {
    const hex = digest().toString("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  };
  return {
    next: (prefix) => `${prefix}_${ulid()}`,
    uuid,
    secret: () => digest().toString("base64url"),
    random: () => 0.5,
  };
}

/** Long texts by their digests: a recording holds them once. */
function shortened(value: unknown): unknown {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== "string" || part.length < 2000) return part;
    return `${part.length} characters, sha256 ${createHash("sha256").update(part).digest("hex")}`;
  });
  return JSON.parse(text);
}

export interface World {
  engine: Engine;
  driver: ReturnType<typeof turnDriver>;
  /** What the history routes answer. */
  answers(key: SessionKey): Promise<{ events: unknown; messages: unknown }>;
}

export async function startGolden(model: Model, run: string): Promise<World> {
  const engine = await startEngine(model, countedIds(run));
  const cursors = signedCursors(fixedSecret("a secret of the tests"));
  const deps = { ...engine.deps, cursors };
  return {
    engine,
    driver: turnDriver(() => engine),
    answers: async (key) => ({
      events: shortened(await eventAnswers(deps, key, { after: 0, limit: 500, order: "asc" })),
      messages: shortened(await messageAnswers(deps, key, { order: "asc", limit: 100 })),
    }),
  };
}
