import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";

/** A resolver that a test feeds. */
export interface ManualResolver extends Resolver {
  /** Also takes what no resolver should yield. */
  tell(resolution: Resolution | { endpoints: unknown; stale?: unknown }): void;
  fail(error: Error): void;
}

export function manualResolver(): ManualResolver {
  let wake = () => {};
  let next: { readonly resolution: Resolution } | Error | undefined;
  return {
    target: "simple_grpc",
    async *resolve(signal) {
      signal.addEventListener("abort", () => wake());
      while (!signal.aborted) {
        const found = next;
        next = undefined;
        if (found instanceof Error) throw found;
        if (found !== undefined) yield found.resolution;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    },
    tell(resolution) {
      next = { resolution: resolution as Resolution };
      wake();
    },
    fail(error) {
      next = error;
      wake();
    },
  };
}
