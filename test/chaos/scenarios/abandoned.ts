import { type Client, createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { collect, usedMiB } from "../memory.ts";
import type { Scenario } from "../scenario.ts";

/** How much more may be in use after the last round than after the first. */
const GROWTH_MIB = 2;
/** How long collections may take to find all; the runtime decides when a finalizer runs. */
const LONGEST_MS = 10_000;

export const abandoned: Scenario = {
  name: "abandoned",
  title: "a thousand streams abandoned by their callers",
  bound:
    `no calls in flight after garbage collection, the servers notified, memory flat over 4 rounds (+${GROWTH_MIB} MiB)`,
  limitMs: 90_000,
  async run(environment) {
    const { figures, quick } = environment;
    // Servers without the limits on resets that ordinary ones have, so that each stream's end is seen.
    const transport = environment.transport(Object.values(await environment.peers("endless")));
    const client = createClient(Simple, transport);
    const inFlight = () => transport.snapshot().endpoints!.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
    const [streams, rounds] = quick ? [50, 1] : [1_000, 4];
    let opened = 0, seen = 0, slowestMs = 0;
    let first = NaN;
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: streams }, () => abandon(client, `endless-${opened++}`)));
      seen = Math.max(seen, inFlight());
      const startMs = performance.now();
      while (inFlight() > 0 && performance.now() - startMs < LONGEST_MS) await collect();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (round === 0 && !quick) first = await usedMiB();
    }
    figures.note("streams", opened);
    figures.note("most in flight", seen);
    figures.atMost("in flight after collection", inFlight(), 0);
    figures.note("collected within", slowestMs, "ms");
    const deadline = performance.now() + LONGEST_MS;
    while (environment.ledger().count("given up") < opened && performance.now() < deadline) await collect();
    figures.atMost("not reported to their server", opened - environment.ledger().count("given up"), 0);
    if (!quick) figures.atMost("grown by", (await usedMiB()) - first, GROWTH_MIB, "MiB");
  },
};

/** Reads one message and keeps nothing of the stream. */
async function abandon(client: Client<typeof Simple>, data: string): Promise<void> {
  for await (const _ of client.routeServerStream({ data })) break;
}
