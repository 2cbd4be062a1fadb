import { SandboxToken, type RedeemBootSecret } from "../../../../../shared/protocol/sandbox-frame.ts";
import { log, messageOf } from "../../log.ts";
import { backOffMs, pause } from "./back-off.ts";
import { exchange } from "./http-exchange.ts";

/** The boot secret is refused: this epoch is over, or the secret was used before. */
export class EpochFenced extends Error {}

const redeemTimeoutMs = 10_000;
const maxAnswerBytes = 64 * 1024;
/** The boot secret is good for ten minutes. */
const longestTryMs = 10 * 60_000;

/** `POST /sandbox-tokens`, again and again while the platform is out of reach. */
export async function redeemBootSecret(
  platformUrl: string,
  secret: RedeemBootSecret,
  random: () => number,
): Promise<SandboxToken> {
  const until = Date.now() + longestTryMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await redeemOnce(platformUrl, secret);
    } catch (error) {
      if (error instanceof EpochFenced || Date.now() > until) throw error;
      log("boot secret not redeemed yet", { error: messageOf(error) });
      await pause(backOffMs(attempt, random));
    }
  }
}

async function redeemOnce(platformUrl: string, secret: RedeemBootSecret): Promise<SandboxToken> {
  const answer = await exchange({
    url: `${platformUrl.replace(/\/$/, "")}/sandbox-tokens`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(secret)),
    timeoutMs: redeemTimeoutMs,
    maxBytes: maxAnswerBytes,
  });
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429)
    throw new EpochFenced(`answer ${answer.status}`);
  if (answer.status >= 300) throw new Error(`answer ${answer.status}`);
  return SandboxToken.parse(JSON.parse(answer.body.toString("utf8")));
}

type Renew = () => Promise<Record<string, unknown>>;

/** Who was adopted on its link needs its first token only to link anew: its first calls go before that. */
const firstRenewMs = 3000;

/** The token of now, redeemed where there is none yet, renewed over the link at two thirds of its life. In memory only. */
export class TokenHolder {
  readonly #redeem: () => Promise<SandboxToken>;
  #token: SandboxToken | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(redeem: () => Promise<SandboxToken>) {
    this.#redeem = redeem;
  }

  async current(): Promise<string> {
    this.#token ??= await this.#redeem();
    return this.#token.token;
  }

  keepFresh(renew: Renew): void {
    this.#schedule(renew, this.#token ? (this.#token.expires_in * 1000 * 2) / 3 : firstRenewMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(renew: Renew, inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#renew(renew), inMs);
  }

  async #renew(renew: Renew): Promise<void> {
    try {
      this.#token = SandboxToken.parse(await renew());
      this.keepFresh(renew);
    } catch (error) {
      log("token not renewed", { error: messageOf(error) });
      this.#schedule(renew, retryRenewMs);
    }
  }
}

const retryRenewMs = 5000;
