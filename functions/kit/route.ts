import type * as z from "zod";
import type { Actor } from "../../shared/ports/tokens.ts";
import type { Needs } from "./authenticate.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Schema of each answer by its status; null where it has no body. */
export type Answers = Record<number, z.ZodType | null>;

type AnswerOf<A extends Answers> = {
  [S in keyof A]: A[S] extends z.ZodType ? { status: S; body: z.input<A[S]> } : { status: S };
}[keyof A] & { headers?: Record<string, string> };

type Parsed<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : undefined;

export interface Call<Deps, N extends Needs, B, Q, P> {
  input: { body: B; query: Q; params: P };
  actor: N extends "public" ? null : Actor;
  deps: Deps;
  requestId: string;
  /** The caller's address as the gateway saw it. */
  sourceIp: string;
}

interface Declaration<
  Deps,
  N extends Needs,
  A extends Answers,
  B extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  P extends z.ZodType | undefined,
> {
  method: Method;
  /** `/sessions/{session_id}`; `{path+}` takes the rest of the path. */
  path: string;
  needs: N;
  body?: B;
  query?: Q;
  params?: P;
  answers: A;
  run(call: Call<Deps, N, Parsed<B>, Parsed<Q>, Parsed<P>>): Promise<AnswerOf<A>>;
}

/** A route as data: the app, the documents and the tests of every route are made from the list of these. */
export interface RouteDefinition<Deps> {
  method: Method;
  path: string;
  needs: Needs;
  body?: z.ZodType;
  query?: z.ZodType;
  params?: z.ZodType;
  answers: Answers;
  run(call: {
    input: { body: unknown; query: unknown; params: unknown };
    actor: Actor | null;
    deps: Deps;
    requestId: string;
    sourceIp: string;
  }): Promise<{ status: number; body?: unknown; headers?: Record<string, string> }>;
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
