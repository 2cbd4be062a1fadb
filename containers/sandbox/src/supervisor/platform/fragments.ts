import { maxFrameBytes } from "../../../../../shared/protocol/limits.ts";

/** API Gateway takes messages of 128 KB in frames of 32 KB: one message cut into such frames. */
export function fragmentsOf(message: Buffer, mostBytes = maxFrameBytes): Buffer[] {
  const fragments: Buffer[] = [];
  for (let at = 0; at < message.length || at === 0; at += mostBytes)
    fragments.push(message.subarray(at, at + mostBytes));
  return fragments;
}
