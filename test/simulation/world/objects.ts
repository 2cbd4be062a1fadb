import type { Kernel } from "../kernel/kernel.ts";

const failed = () => new Error("object storage did not answer");

export class SimulatedObjects {
  readonly stored = new Map<string, Uint8Array>();
  private readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  put(key: string, body: string | Uint8Array): Promise<void> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    return this.kernel.io({ port: "objects.put", apply: () => void this.stored.set(key, bytes), error: failed });
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.kernel.io({ port: "objects.get", apply: () => this.stored.get(key) ?? null, error: failed });
  }

  head(key: string): Promise<{ length: number } | null> {
    const apply = () => {
      const found = this.stored.get(key);
      return found ? { length: found.length } : null;
    };
    return this.kernel.io({ port: "objects.head", apply, error: failed });
  }
}
