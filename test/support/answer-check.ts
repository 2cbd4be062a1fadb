import { objections, resolved, type Json } from "./json-schema.ts";
import { documentedOperations, httpSchema, openApi, type Operation } from "./openapi.ts";

export interface SeenAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** Headers that HTTP itself or the gateway gives their meaning. */
const elsewhere =
  /^(content-(type|length|disposition)|cache-control|x-content-type-options|date|connection|keep-alive|transfer-encoding|vary|apigw-requestid|allow|access-control-.+)$/;

interface Match {
  template: string;
  operation: Operation;
}

function patternOf(template: string, operation: Operation): RegExp {
  const multi = new Set(
    (operation.parameters ?? []).flatMap((one) =>
      "x-multi-segment" in one && one["x-multi-segment"] ? [one.name] : [],
    ),
  );
  const source = template
    .split(/(\{\w+\})/)
    .map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (name === undefined) return part.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&");
      return multi.has(name) ? ".+" : "[^/]+";
    })
    .join("");
  return new RegExp(`^${source}$`);
}

/** The operation that a request meets: of two templates the one with fewer parameters. */
export function findOperation(method: string, path: string): Match | null {
  const wanted = method === "HEAD" ? "GET" : method;
  const matches = documentedOperations()
    .filter((known) => known.method === wanted && patternOf(known.path, known.operation).test(path))
    .map(({ path: template, operation }): Match => ({ template, operation }));
  const parameters = ({ template }: Match) => template.split("{").length;
  return matches.toSorted((a, b) => parameters(a) - parameters(b))[0] ?? null;
}

function checkHeaders(response: Json, answer: SeenAnswer, at: string[]): string[] {
  const documented = (response["headers"] ?? {}) as Record<string, Json>;
  const unknown = Object.keys(answer.headers).filter((name) => !elsewhere.test(name) && !(name in documented));
  const wrong = Object.entries(documented).flatMap(([name, reference]) => {
    const header = resolved(openApi(), reference);
    const value = answer.headers[name];
    if (value === undefined) return header["required"] === true ? [`header ${name} is missing`] : [];
    const place = "$ref" in reference ? String(reference["$ref"]).slice(2).split("/") : [...at, "headers", name];
    return objections(httpSchema(...place, "schema"), value).map((objection) => `header ${name}: ${objection}`);
  });
  return [...unknown.map((name) => `header ${name} is not documented`), ...wrong];
}

function checkBody(response: Json, answer: SeenAnswer, at: string[], isHead: boolean): string[] {
  const content = response["content"] as Record<string, Json> | undefined;
  if (!content) return answer.text === "" ? [] : ["has a body where none is documented"];
  const type = answer.headers["content-type"] ?? "";
  const media = Object.keys(content).find((known) => known === type);
  if (media === undefined) return [`content type ${type} is not documented`];
  if (isHead) return [];
  const value: unknown = media.includes("json") ? JSON.parse(answer.text) : answer.text;
  return objections(httpSchema(...at, "content", media, "schema"), value);
}

/** Where an answer differs from `/openapi.json`. A path that it does not have is answered with a problem. */
export function answerObjections(method: string, path: string, answer: SeenAnswer): string[] {
  const isHead = method === "HEAD";
  const match = findOperation(method, path);
  if (!match) {
    const expected = [400, 404, 405, 500].includes(answer.status)
      ? []
      : [`status ${answer.status} outside the document`];
    const problem = isHead ? [] : objections(httpSchema("components", "schemas", "Problem"), JSON.parse(answer.text));
    return [...expected, ...problem];
  }
  const { responses } = match.operation;
  const status = String(answer.status);
  const documented = responses[status];
  if (!documented) return [`status ${status} is not documented: ${answer.text.slice(0, 300)}`];
  const response = resolved(openApi(), documented);
  const at =
    "$ref" in documented
      ? String(documented["$ref"]).slice(2).split("/")
      : ["paths", match.template, (isHead ? "get" : method).toLowerCase(), "responses", status];
  return [...checkHeaders(response, answer, at), ...checkBody(response, answer, at, isHead)];
}

/** Throws where an answer is not as `/openapi.json` has it: every answer of every test comes through here. */
export function requireDocumented(method: string, path: string, answer: SeenAnswer): void {
  const found = answerObjections(method, path, answer);
  if (found.length > 0) throw new Error(`${method} ${path} is not as documented:\n${found.join("\n")}`);
}
