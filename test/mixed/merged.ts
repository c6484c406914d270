import type { Endpoint, Resolution, Resolver } from "../../src/index.ts";

/** The endpoints of several resolvers as one set: a service whose servers are registered in several ways. */
export function merged(resolvers: readonly Resolver[]): Resolver {
  return {
    target: resolvers[0]!.target ?? "merged",
    async *resolve(signal): AsyncGenerator<Resolution> {
      const newest: (readonly Endpoint[] | undefined)[] = resolvers.map(() => undefined);
      const sources = resolvers.map((resolver) => resolver.resolve(signal)[Symbol.asyncIterator]());
      const next = async (at: number) => ({ at, result: await sources[at]!.next() });
      const pending = sources.map((_, at) => next(at));
      while (!signal.aborted) {
        const { at, result } = await Promise.race(pending);
        if (result.done) return;
        newest[at] = result.value.endpoints;
        pending[at] = next(at);
        // Half of a set would look as if the other half had left.
        if (newest.every((endpoints) => endpoints !== undefined)) yield { endpoints: newest.flat() as Endpoint[] };
      }
    },
  };
}
