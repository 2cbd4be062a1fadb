import { createHash } from "node:crypto";
import type { Block, CacheControl, RehearsalRequest } from "./request.ts";
import { tokensOf } from "./tokens.ts";

/** Counts of one request as the API bills them. */
export interface PromptUsage {
  input_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  cache_creation: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number };
}

interface Place {
  /** The block with its role. */
  text: string;
  /** Of everything up to here. */
  tokens: number;
  breakpoint: CacheControl | null;
}

const minimumTokens = 512;
const lookBackBlocks = 20;
const lifeMs = { "5m": 5 * 60_000, "1h": 60 * 60_000 } as const;

/**
 * Tools, system and messages are one row of blocks. A breakpoint reads the longest known prefix that ends at it or up
 * to 20 blocks before it, and writes the prefix that ends at it. Reading renews a prefix.
 */
export class PromptCache {
  #entries = new Map<string, { expiresAt: number; lifeMs: number }>();
  #places = new WeakMap<RehearsalRequest, Place[]>();

  constructor(private readonly now: () => number) {}

  /** Counts a request, and remembers its prefixes for the next. */
  use(request: RehearsalRequest): PromptUsage {
    const places = this.#placesOf(request);
    const marked = places.map((place, index) => ({ place, index })).filter(({ place }) => place.breakpoint !== null);
    const hashes = prefixHashes(
      request.model,
      places,
      marked.map(({ index }) => index),
    );
    const read = Math.max(0, ...marked.map(({ index }) => this.#longestKnown(places, hashes, index)));
    const written = { "5m": 0, "1h": 0 };
    let covered = read;
    for (const { place, index } of marked) {
      if (place.tokens < minimumTokens) continue;
      const life = place.breakpoint?.ttl ?? "5m";
      written[life] += Math.max(0, place.tokens - covered);
      covered = Math.max(covered, place.tokens);
      this.#entries.set(hashes.get(index) ?? "", { expiresAt: this.now() + lifeMs[life], lifeMs: lifeMs[life] });
    }
    const total = places.at(-1)?.tokens ?? 0;
    return {
      input_tokens: total - covered,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: written["5m"] + written["1h"],
      cache_creation: { ephemeral_5m_input_tokens: written["5m"], ephemeral_1h_input_tokens: written["1h"] },
    };
  }

  /** How long the prompt is. */
  count(request: RehearsalRequest): number {
    return this.#placesOf(request).at(-1)?.tokens ?? 0;
  }

  #placesOf(request: RehearsalRequest): Place[] {
    const places = this.#places.get(request) ?? placesOf(request);
    this.#places.set(request, places);
    return places;
  }

  #longestKnown(places: Place[], hashes: Map<number, string>, from: number): number {
    for (let index = from; index >= Math.max(0, from - lookBackBlocks); index -= 1) {
      const place = places[index];
      const entry = this.#entries.get(hashes.get(index) ?? "");
      if (!place || !entry || entry.expiresAt <= this.now()) continue;
      entry.expiresAt = this.now() + entry.lifeMs;
      return place.tokens;
    }
    return 0;
  }
}

/** Of everything up to each place where a breakpoint may read or write: up to every place, it was half of what a call takes. */
function prefixHashes(model: string, places: Place[], breakpoints: number[]): Map<number, string> {
  const hash = createHash("sha256").update(model);
  const hashes = new Map<number, string>();
  for (const [index, { text }] of places.entries()) {
    hash.update(`\n${text}`);
    const isAsked = breakpoints.some((at) => index <= at && index >= at - lookBackBlocks);
    if (isAsked) hashes.set(index, hash.copy().digest("base64"));
  }
  return hashes;
}

function placesOf(request: RehearsalRequest): Place[] {
  const places: Place[] = [];
  let tokens = 0;
  const add = (block: Block, role: string) => {
    const { cache_control: control, ...content } = block;
    const json = JSON.stringify(content);
    tokens += tokensOf(json);
    places.push({ text: role + json, tokens, breakpoint: (control as CacheControl | undefined) ?? null });
  };
  for (const tool of request.tools) add(tool, "tool");
  for (const block of request.system) add(block, "system");
  for (const message of request.messages) for (const block of message.content) add(block, message.role);
  const last = places.at(-1);
  if (last && request.automaticCaching !== null) last.breakpoint ??= request.automaticCaching;
  return places;
}
