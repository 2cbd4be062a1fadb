/**
 * Evaluates a route selection expression (`$request.body.type`, also in braces) on the text of a message. Null where the message
 * is no JSON or has no such value: the message then takes the `$default` route.
 */
export function routeSelector(expression: string): (text: string) => string | null {
  const path = /^\$\{?request\.body\.([\w.-]+)\}?$/.exec(expression)?.[1]?.split(".");
  if (path === undefined) throw new Error(`not a route selection expression on the body: ${expression}`);
  return (text) => {
    let value = parseJson(text);
    for (const name of path) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return null;
      value = (value as Record<string, unknown>)[name];
    }
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : null;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
