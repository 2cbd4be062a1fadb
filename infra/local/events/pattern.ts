type Values = Record<string, unknown>;

const scalar = (value: unknown) => value === null || ["string", "number", "boolean"].includes(typeof value);

/**
 * Does the event match an EventBridge pattern? Knows exact values, `prefix`, `suffix`, `anything-but`, `exists`, `equals-ignore-case`.
 * Throws for any other matcher, and names it.
 */
export function matchesPattern(pattern: Values, event: Values): boolean {
  return Object.entries(pattern).every(([key, expected]) => {
    if (key === "$or") throw new Error("event pattern: $or is not known on one machine");
    const actual = event[key];
    if (Array.isArray(expected)) return expected.some((matcher) => matchesField(matcher, actual));
    return isObject(expected) && matchesPattern(expected, isObject(actual) ? actual : {});
  });
}

/** An array in the event matches where one of its values does. */
function matchesField(matcher: unknown, actual: unknown): boolean {
  if (isObject(matcher) && "exists" in matcher) return matcher["exists"] === (actual !== undefined);
  const values = Array.isArray(actual) ? actual : [actual];
  return values.some((value) => value !== undefined && matchesValue(matcher, value));
}

function matchesValue(matcher: unknown, value: unknown): boolean {
  if (scalar(matcher)) return matcher === value;
  if (!isObject(matcher)) throw new Error(`event pattern: ${JSON.stringify(matcher)} is not a matcher`);
  const [name] = Object.keys(matcher);
  const argument = matcher[name ?? ""];
  switch (name) {
    case "prefix":
      return typeof value === "string" && value.startsWith(String(argument));
    case "suffix":
      return typeof value === "string" && value.endsWith(String(argument));
    case "equals-ignore-case":
      return typeof value === "string" && value.toLowerCase() === String(argument).toLowerCase();
    case "anything-but":
      return !(Array.isArray(argument) ? argument : [argument]).some((each) => matchesValue(each, value));
    default:
      throw new Error(`event pattern: matcher ${name} is not known on one machine`);
  }
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
