import { makeConnection } from "../../src/connection/make-connection.ts";
import { Pool } from "../../src/connection/pool.ts";
import type { Endpoint } from "../../src/index.ts";
import { leapingClock } from "./clock.ts";

/** A set of `count` endpoints; those of another generation share no address with it. */
function endpoints(count: number, generation: number): Endpoint[] {
  return Array.from({ length: count }, (_, i) => ({ address: `10.${generation}.${i >> 8}.${i & 255}:8000` }));
}

/** Milliseconds that the pool takes for a new set of `count` endpoints of which one changed, or all; medians. */
export function reconcileMs(count: number): { one: number; all: number } {
  const pool = new Pool({
    clock: leapingClock(),
    random: Math.random,
    // Links without states: nothing but the pool's own work is measured.
    connector: () => ({ transport: { unary: unused, stream: unused }, close: async () => {} }),
    makeConnection,
    onChange() {},
  });
  const timed = (set: readonly Endpoint[]) => {
    const start = performance.now();
    pool.update(set);
    const ms = performance.now() - start;
    if (pool.connections.length !== count) throw new Error("the pool did not take the set at once");
    return ms;
  };
  const one: number[] = [], all: number[] = [];
  for (let generation = 0; generation < 11; generation++) {
    const set = endpoints(count, generation);
    all.push(timed(set));
    one.push(timed([...set.slice(1), { address: `10.255.0.${generation}:8000` }]));
  }
  void pool.close(0);
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return { one: median(one), all: median(all) };
}

function unused(): never {
  throw new Error("no call is made here");
}
