export interface Sent {
  constructor: { name: string };
  input: unknown;
}

export interface Client {
  send(command: Sent): Promise<Record<string, unknown>>;
}

/** The error that the product is given: the SDK's is its cause. */
export class RefusedError extends Error {
  constructor(cause: Error) {
    super(`Error thrown by DynamoDB client: "${cause.message}"`, { cause });
    this.name = "ElectroError";
  }
}

export async function ask(client: Client, command: Sent): Promise<Record<string, unknown>> {
  try {
    return await client.send(command);
  } catch (error) {
    throw new RefusedError(error as Error);
  }
}
