import { randomBytes, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { Ids } from "../ports/ids.ts";

const ulid = monotonicFactory();

export const randomIds: Ids = {
  next: (prefix) => `${prefix}_${ulid()}`,
  uuid: () => randomUUID(),
  secret: (bytes) => randomBytes(bytes).toString("base64url"),
  random: () => Math.random(),
};
