import type { Ids } from "../../../shared/ports/ids.ts";
import type { IdPrefix } from "../../../shared/protocol/ids.ts";
import type { Random } from "../kernel/random.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

function base32(n: number, length: number): string {
  let text = "";
  for (let left = n; text.length < length; left = Math.floor(left / 32)) text = alphabet[left % 32] + text;
  return text;
}

function hex(random: Random, digits: number): string {
  let text = "";
  while (text.length < digits) text += Math.floor(random.next() * 16).toString(16);
  return text;
}

/** Ids that are drawn from the seed; as ULIDs do, they rise. */
export class SeededIds implements Ids {
  private counter: number;
  private readonly draws: Random;

  constructor(draws: Random, first = 0) {
    this.draws = draws;
    this.counter = first;
  }

  next(prefix: IdPrefix): string {
    return `${prefix}_${base32((this.counter += 1), 26)}`;
  }

  uuid(): string {
    const text = hex(this.draws, 32);
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-8${text.slice(17, 20)}-${text.slice(20)}`;
  }

  secret(bytes: number): string {
    return hex(this.draws, bytes * 2);
  }

  random(): number {
    return this.draws.next();
  }

  /** A git object's name. */
  commit(): string {
    return hex(this.draws, 40);
  }
}
