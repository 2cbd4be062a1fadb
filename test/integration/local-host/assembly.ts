import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeployedFunction } from "../../../infra/local/template/deployed-stack.ts";

/** A directory that goes when the test file ends. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "local-host-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes a bundle and answers the function that runs it. */
export function functionOf(
  directory: string,
  id: string,
  code: string,
  given: Partial<DeployedFunction> = {},
): DeployedFunction {
  mkdirSync(join(directory, id), { recursive: true });
  const file = join(directory, id, "index.mjs");
  writeFileSync(file, code);
  return {
    id,
    label: id,
    name: id,
    arn: `arn:aws:lambda:us-east-1:000000000000:function:${id}`,
    file,
    exportName: "handler",
    timeoutSeconds: 3,
    memoryMb: 128,
    reservedConcurrency: null,
    environment: {},
    roleId: `${id}Role`,
    recursiveLoop: "Terminate",
    asyncRetries: 2,
    ...given,
  };
}

/** Resolves when `found` answers something, looking each few ms; fails after `limitMs`. */
export async function eventually<T>(found: () => T | undefined | null | false, limitMs = 5000): Promise<T> {
  const until = Date.now() + limitMs;
  for (;;) {
    const value = found();
    if (value !== undefined && value !== null && value !== false) return value;
    if (Date.now() > until) throw new Error(`nothing within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
