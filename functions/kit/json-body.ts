import { AppError } from "../../shared/errors.ts";

/** Larger than any request that a schema allows, small enough to parse without care. */
export const maxBodyBytes = 512 * 1024;
/** Schemas walk a body recursively: deeper ones would overflow the stack. */
const maxDepth = 100;

/** Depth of nesting, without parsing; linear in the length, whatever is sent. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inString && char === "\\") at += 1;
    else if (char === '"') inString = !inString;
    else if (!inString && (char === "{" || char === "[")) depth += 1;
    else if (!inString && (char === "}" || char === "]")) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}

/** A request's body as JSON; an absent one is `{}`, since every body of this API is an object. */
export function parseJsonBody(text: string, contentType: string | undefined): unknown {
  if (Buffer.byteLength(text) > maxBodyBytes)
    throw new AppError("payload_too_large", `a body holds at most ${maxBodyBytes} bytes`);
  if (text.trim() === "") return {};
  if (contentType !== undefined && !/^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(contentType)) {
    throw new AppError("bad_request", "the body must be application/json");
  }
  if (isTooDeep(text)) throw new AppError("bad_request", "the body is nested too deeply");
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AppError("bad_request", "the body is not JSON", { cause });
  }
}
