import type * as z from "zod";
import type { Actor } from "../../shared/ports/tokens.ts";
import type { ErrorCode } from "../../shared/protocol/error-code.ts";
import type { JsonText } from "../../shared/protocol/json-text.ts";
import type { Outcome } from "./answer.ts";
import type { Needs } from "./authenticate.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The chapters of the API, in their order. */
export const tags = {
  Platform: "What this deployment is, and its documents",
  Account: "Signing in, and one's own account",
  Tenant: "Members, invitations and API keys",
  Sessions: "The session resource and the inbox",
  Conversation: "Prompts, messages, events and the queue",
  Workspace: "Checkpoints, files and the preview",
  Usage: "Usage, budgets and limits",
  Webhooks: "Events sent to other servers",
  Sandbox: "For the platform's own sandboxes",
} as const;
export type Tag = keyof typeof tags;

/** An answer that is no JSON, or, with a schema, JSON only where the request did not ask for the text. */
export interface TextAnswer<S extends z.ZodType | null = z.ZodType | null> {
  textType: string;
  json: S;
}

export function textAnswer<S extends z.ZodType | null = null>(textType: string, json?: S): TextAnswer<S> {
  return { textType, json: (json ?? null) as S };
}

/** Schema of each answer by its status; null where it has no body. */
export type Answers = Record<number, z.ZodType | TextAnswer | null>;

type Content<A> = A extends z.ZodType
  ? { body: z.input<A> }
  : A extends TextAnswer<infer S>
    ? { text: string } | (S extends z.ZodType ? { body: z.input<S> } : never)
    : unknown;

type AnswerOf<A extends Answers> = {
  [S in keyof A]: { status: S } & Content<A[S]>;
}[keyof A] & { headers?: Record<string, string> };

type Parsed<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : undefined;

export interface Call<Deps, N extends Needs, B, Q, P> {
  input: { body: B; query: Q; params: P };
  actor: N extends "public" ? null : Actor;
  deps: Deps;
  requestId: string;
  /** A UUID, the same however often a request with an `Idempotency-Key` has to run; null without one. */
  operationId: string | null;
  header(name: string): string | undefined;
  /** A member of the body as it was sent; null where it is absent. */
  text(name: string): JsonText | null;
  /** The caller's address as the gateway saw it. */
  sourceIp: string;
}

/** What the documents say of an operation beside its schemas. */
interface Described {
  method: Method;
  /** `/sessions/{session_id}`; `{path+}` takes the rest of the path. */
  path: string;
  /** The operation's name in the document: `createSession`. */
  id: string;
  summary: string;
  description?: string;
  tag: Tag;
  /** Codes of this operation, beside those that any of its kind can answer with (`functions/documents/errors.ts`). */
  errors?: readonly ErrorCode[];
  /** Headers of its good answers, and what they say. */
  answerHeaders?: Readonly<Record<string, string>>;
}

interface Declaration<
  Deps,
  N extends Needs,
  A extends Answers,
  B extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  P extends z.ZodType | undefined,
> extends Described {
  needs: N;
  body?: B;
  query?: Q;
  params?: P;
  answers: A;
  run(call: Call<Deps, N, Parsed<B>, Parsed<Q>, Parsed<P>>): Promise<AnswerOf<A>>;
}

/** A route as data, without what it does. */
export interface RouteDescription extends Described {
  needs: Needs;
  body?: z.ZodType;
  query?: z.ZodType;
  params?: z.ZodType;
  answers: Answers;
}

/** A route as data: the app, the documents and the tests of every route are made from the list of these. */
export interface RouteDefinition<Deps> extends RouteDescription {
  run(call: {
    input: { body: unknown; query: unknown; params: unknown };
    actor: Actor | null;
    deps: Deps;
    requestId: string;
    operationId: string | null;
    header(name: string): string | undefined;
    text(name: string): JsonText | null;
    sourceIp: string;
  }): Promise<Outcome>;
}

/** Content type of an answer that is no JSON. */
export function textTypeOf({ answers }: Pick<RouteDescription, "answers">, status: number): string {
  const answer = answers[status];
  return answer && "textType" in answer ? answer.textType : "text/plain";
}

/** Makes routes over one bundle of dependencies; `run` is typed by the schemas beside it. */
export function routesOver<Deps>() {
  return <
    const N extends Needs,
    const A extends Answers,
    B extends z.ZodType | undefined = undefined,
    Q extends z.ZodType | undefined = undefined,
    P extends z.ZodType | undefined = undefined,
  >(
    declaration: Declaration<Deps, N, A, B, Q, P>,
  ): RouteDefinition<Deps> => declaration as unknown as RouteDefinition<Deps>;
}
