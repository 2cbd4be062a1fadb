export interface HttpRoute {
  /** `$default`, or method (or `ANY`) and path: `GET /pets/{id}`, `ANY /{proxy+}`. */
  routeKey: string;
  functionId: string;
  /** At most 30,000. */
  timeoutMs: number;
}

export interface RouteMatch {
  route: HttpRoute;
  pathParameters: Record<string, string> | undefined;
}

interface CompiledRoute {
  route: HttpRoute;
  method: string;
  segments: string[];
  greedy: string | null;
  /** Greedy or not, a letter a segment, the method: of two routes that match, the smaller string is the more specific. */
  rank: string;
}

/**
 * Finds routes as API Gateway documents it: a full match before a greedy one before `$default`, the more specific path first,
 * a named method before ANY. Paths are compared decoded; a trailing slash matters.
 */
export function compileRoutes(routes: HttpRoute[]): (method: string, path: string) => RouteMatch | null {
  const fallback = routes.find((route) => route.routeKey === "$default") ?? null;
  const compiled = routes.filter((route) => route !== fallback).map(compileRoute);
  compiled.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return (method, path) => {
    const parts = path.slice(1).split("/");
    for (const candidate of compiled) {
      if (candidate.method !== "ANY" && candidate.method !== method) continue;
      const values = matchSegments(candidate, parts);
      if (values === null) continue;
      const pathParameters = values.length > 0 ? Object.fromEntries(values) : undefined;
      return { route: candidate.route, pathParameters };
    }
    return fallback && { route: fallback, pathParameters: undefined };
  };
}

function compileRoute(route: HttpRoute): CompiledRoute {
  const [, method, path] = /^([A-Z]+) (\/.*)$/.exec(route.routeKey) ?? [];
  if (method === undefined || path === undefined) throw new Error(`not a route key of an HTTP API: ${route.routeKey}`);
  const segments = path.slice(1).split("/");
  const greedy = /^\{(.+)\+\}$/.exec(segments.at(-1) ?? "")?.[1] ?? null;
  if (greedy !== null) segments.pop();
  const shape = segments.map((segment) => (parameterName(segment) === null ? "a" : "b")).join("");
  const rank = `${greedy === null ? "0" : "1"}${shape}${greedy === null ? "" : "c"}${method === "ANY" ? "~" : "!"}`;
  return { route, method, segments, greedy, rank };
}

function matchSegments(route: CompiledRoute, parts: string[]): [string, string][] | null {
  const fits = route.greedy === null ? parts.length === route.segments.length : parts.length > route.segments.length;
  if (!fits) return null;
  const values: [string, string][] = [];
  for (const [index, segment] of route.segments.entries()) {
    const part = parts[index] ?? "";
    const name = parameterName(segment);
    if (name === null ? part !== segment : part === "") return null;
    if (name !== null) values.push([name, part]);
  }
  if (route.greedy === null) return values;
  const rest = parts.slice(route.segments.length).join("/");
  if (rest === "") return null;
  return [...values, [route.greedy, rest]];
}

function parameterName(segment: string): string | null {
  return /^\{([^+]+)\}$/.exec(segment)?.[1] ?? null;
}
