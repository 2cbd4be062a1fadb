/** 127.64.0.0/10: on Linux every address of 127/8 is this machine, so that each task can have port 8080 of its own. */
const firstAddress = (127 << 24) | (64 << 16);
const size = 1 << 22;

/** Gives each task its own loopback address. `random` in [0, 1): two platforms on one machine should not meet. */
export function loopbackAddresses(random: () => number) {
  const taken = new Set<string>();
  return {
    take(): string {
      for (;;) {
        const address = dotted(firstAddress + 1 + Math.floor(random() * (size - 2)));
        if (taken.has(address)) continue;
        taken.add(address);
        return address;
      }
    },
    release(address: string): void {
      taken.delete(address);
    },
  };
}

const dotted = (number: number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
