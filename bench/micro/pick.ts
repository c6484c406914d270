import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { type CallInfo, type Picker, type Policy, roundRobin } from "../../src/index.ts";
import { median } from "../row.ts";

const PICKS = 100_000;
const WARM_UP_BATCHES = 5;
const BATCHES = 31;

/**
 * Nanoseconds that a pick takes among each of `counts` endpoints that are all available: medians of batches. The counts
 * take turns, so that neither the compiler nor a slow moment of the machine tells them apart.
 */
export function pickNanoseconds(counts: readonly number[]): number[] {
  const pickers = counts.map((count) => pickerOf(count, roundRobin()));
  const batches: number[][] = counts.map(() => []);
  for (let batch = 0; batch < WARM_UP_BATCHES + BATCHES; batch++) {
    pickers.forEach((picker, i) => {
      const nanoseconds = batchOf(picker);
      if (batch >= WARM_UP_BATCHES) batches[i]!.push(nanoseconds);
    });
  }
  return batches.map(median);
}

function pickerOf(count: number, policy: Policy): Picker {
  const connections = Array.from({ length: count }, (_, i): Connection => ({
    endpoint: { address: `10.0.${i >> 8}.${i & 255}:8000` },
    state: "ready",
    available: true,
    inFlight: 0,
    failure: undefined,
    place: i,
    connect() {},
    disconnect() {},
  }));
  return policy(connections, undefined, {
    now: () => performance.now(),
    random: Math.random,
    update() {},
    timer: () => ({ cancel() {} }),
    transport: () => undefined,
  });
}

function batchOf(picker: Picker): number {
  const call: CallInfo = {
    method: Simple.method.route,
    header: new Headers(),
    contextValues: createContextValues(),
    hashKey: undefined,
    excluded: () => false,
  };
  const start = performance.now();
  let inFlight = 0;
  for (let i = 0; i < PICKS; i++) {
    const picked = picker.pick(call);
    if (picked === "wait" || picked instanceof Error || !("inFlight" in picked)) throw new Error("nothing was picked");
    inFlight += picked.inFlight;
  }
  if (inFlight !== 0) throw new Error("a connection has calls in flight");
  return (performance.now() - start) / PICKS * 1e6;
}
