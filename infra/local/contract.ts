import type { IncomingMessage, ServerResponse } from "node:http";

/** How the emulated services run the stack's functions: by the logical id of the template. */
export interface FunctionHost {
  /** With a sink the answer goes there as the function writes it, and the outcome comes after its end. */
  invoke(functionId: string, event: unknown, sink?: ResponseSink): Promise<InvokeOutcome>;
}

/** Who reads a streamed answer. */
export interface ResponseSink {
  /** Resolves when it has room for more. */
  write(chunk: Buffer): Promise<void>;
  /** Aborted when nobody reads any more. On AWS a function is not told so; it ends by its time limit there. */
  gone: AbortSignal;
}

export type InvokeOutcome =
  | { kind: "returned"; payload: unknown }
  | { kind: "threw"; errorType: string; errorMessage: string; trace: string[] }
  | { kind: "timed_out"; seconds: number }
  /** The process of the function ended in the middle. */
  | { kind: "crashed"; message: string }
  | { kind: "throttled" };

/** Who signed a request, and what the template's IAM statements let that role do. */
export interface Caller {
  roleId: string;
  /** `context`: values of the condition keys that the action supports, such as `ecs:cluster`. */
  allows(action: string, resourceArn: string, context?: Record<string, string | string[]>): boolean;
}

/** One emulated AWS service behind the one endpoint: the signature is checked before, the action inside. */
export type AwsService = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  caller: Caller,
) => Promise<void>;

/** Checks the SigV4 signature of a request (header or presigned query). Null where it does not hold. */
export type Authenticate = (request: IncomingMessage, body: Buffer) => Caller | null;

/** Anything that holds a port, a process or a file. Stopping twice is harmless. */
export interface Running {
  stop(): Promise<void>;
}

/** The account that the one-machine run pretends to be. */
export const localAccount = {
  id: "000000000000",
  region: "us-east-1",
  partition: "aws",
  urlSuffix: "amazonaws.com",
} as const;
