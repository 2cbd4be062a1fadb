import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import { validNames } from "../agent/names.ts";
import type { Names, Naming } from "../ports/naming.ts";

/** The function needs a little of the budget to start and to answer. */
const overheadMs = 250;

/** Asks the naming function, which alone holds the model's key on this path. */
export class LambdaNaming implements Naming {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  constructor(options: { client: LambdaClient; functionName: string }) {
    this.#client = options.client;
    this.#functionName = options.functionName;
  }

  async suggest(prompt: string, budgetMs: number): Promise<Names | null> {
    try {
      const payload = JSON.stringify({ prompt, budget_ms: Math.max(1, budgetMs - overheadMs) });
      const answer = await this.#client.send(
        new InvokeCommand({ FunctionName: this.#functionName, Payload: Buffer.from(payload) }),
        { abortSignal: AbortSignal.timeout(Math.max(1, budgetMs)) },
      );
      if (answer.FunctionError !== undefined || answer.Payload === undefined) return null;
      return validNames(JSON.parse(Buffer.from(answer.Payload).toString("utf8")));
    } catch {
      return null;
    }
  }
}
