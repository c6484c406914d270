import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { type CallInfo, type Policy, roundRobin } from "../../src/index.ts";

const BATCH = 100_000;

/** Nanoseconds that a pick takes among `count` endpoints that are all available: the median of several batches. */
export function pickNanoseconds(count: number, policy: Policy = roundRobin()): number {
  const connections = Array.from({ length: count }, (_, i): Connection => ({
    endpoint: { address: `10.0.${i >> 8}.${i & 255}:8000` },
    state: "ready",
    available: true,
    inFlight: 0,
    failure: undefined,
    connect() {},
  }));
  const picker = policy(connections, undefined, { now: () => performance.now(), random: Math.random });
  const call: CallInfo = {
    method: Simple.method.route,
    header: new Headers(),
    contextValues: createContextValues(),
    excluded: () => false,
  };
  const batches: number[] = [];
  for (let batch = 0; batch < 15; batch++) {
    const start = performance.now();
    let inFlight = 0;
    for (let i = 0; i < BATCH; i++) {
      const picked = picker.pick(call);
      if (picked === "wait" || picked instanceof Error) throw new Error("nothing was picked");
      inFlight += picked.inFlight;
    }
    if (inFlight !== 0) throw new Error("a connection has calls in flight");
    batches.push((performance.now() - start) / BATCH * 1e6);
  }
  return batches.sort((a, b) => a - b)[7]!;
}
