import { meaningOf } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/protocol/error-code.ts";
import type { RouteDescription } from "../kit/route.ts";

/** The names in a path pattern. */
export function namesIn(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\+?\}/g)].map(([, name = ""]) => name);
}

/** A text that fits no pattern, no number and no enumeration. */
const anyText = "\u0001";

function takesAnyPath({ params, path }: RouteDescription): boolean {
  return params?.safeParse(Object.fromEntries(namesIn(path).map((name) => [name, anyText]))).success ?? true;
}

/** A cursor of another list, or of nobody. */
function takesCursor({ query }: RouteDescription): boolean {
  return query !== undefined && "shape" in query && "cursor" in (query.shape as object);
}

/** Codes that an operation can answer with because of what it takes. */
function generalCodes(route: RouteDescription): ErrorCode[] {
  const { method, needs, path, body, query } = route;
  const isPublic = needs === "public";
  const isPost = method === "POST";
  const groups: [boolean, ErrorCode[]][] = [
    [true, ["rate_limited", "busy", "internal"]],
    [!isPublic, ["unauthenticated", "token_expired", "forbidden"]],
    [namesIn(path).length > 0, ["not_found"]],
    [body !== undefined, ["bad_request", "payload_too_large"]],
    [takesCursor(route), ["bad_request"]],
    [body !== undefined || query !== undefined || isPost || !takesAnyPath(route), ["validation_failed"]],
    [isPost, ["idempotency_in_flight"]],
    [isPost && !isPublic, ["idempotency_mismatch"]],
  ];
  return groups.flatMap(([applies, codes]) => (applies ? codes : []));
}

/** Every code that the operation can answer with, by status: a closed list. */
export function errorsByStatus(route: RouteDescription): Map<number, ErrorCode[]> {
  const codes = new Set([...generalCodes(route), ...(route.errors ?? [])]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...codes].toSorted()) {
    const { status } = meaningOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return new Map([...byStatus].toSorted(([a], [b]) => a - b));
}
