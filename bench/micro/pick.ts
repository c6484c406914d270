import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import {
  type CallInfo,
  leastRequest,
  peakEwma,
  type Picker,
  pickFirst,
  type Policy,
  prequal,
  random,
  rendezvousHash,
  ringHash,
  roundRobin,
  weightedRoundRobin,
} from "../../src/index.ts";
import { median } from "../row.ts";

const PICKS = 20_000;
const WARM_UP_BATCHES = 10;
const BATCHES = 31;

/** How long a policy's pick takes among so many endpoints, in nanoseconds. */
export interface PickTimes {
  readonly policy: string;
  readonly among10: number;
  readonly among1000: number;
  readonly among10000: number;
}

/** Each policy of the library, and the weights that endpoints have. */
const POLICIES: readonly (readonly [name: string, policy: () => Policy, weights?: readonly number[]])[] = [
  ["roundRobin()", () => roundRobin()],
  ["weightedRoundRobin()", () => weightedRoundRobin()],
  ["weightedRoundRobin(), weights 1 to 3", () => weightedRoundRobin(), [1, 2, 3]],
  ["random()", () => random()],
  ["pickFirst()", () => pickFirst()],
  ["leastRequest()", () => leastRequest()],
  ["leastRequest(), weights 1 to 3", () => leastRequest(), [1, 2, 3]],
  ["peakEwma()", () => peakEwma()],
  ["prequal()", () => prequal()],
  ["ringHash()", () => ringHash()],
  ["rendezvousHash()", () => rendezvousHash()],
  ["rendezvousHash({ boundedLoad: 1.25 })", () => rendezvousHash({ boundedLoad: 1.25 })],
];

/**
 * Takes any of the connections and looks at none: beside the call of `pick`, it costs what memory does. The more
 * connections there are, the more seldom the one that was drawn is in the processor's caches.
 */
const drawn: Policy = (connections, _, { random }) => ({
  pick: () => connections[Math.floor(random() * connections.length)]!,
});

/** How long a pick takes with each policy, among endpoints that are all available. */
export function pickTimes(): readonly PickTimes[] {
  return POLICIES.map(([policy, make, weights]) => timesOf(policy, make(), weights));
}

/** The same of what no policy that draws at random can be without: a draw, and the first look at what was drawn. */
export function drawTimes(): PickTimes {
  return timesOf("a draw", drawn, undefined);
}

function timesOf(name: string, policy: Policy, weights: readonly number[] | undefined): PickTimes {
  const [among10, among1000, among10000] = pickNanoseconds([10, 1_000, 10_000], policy, weights);
  return { policy: name, among10: among10!, among1000: among1000!, among10000: among10000! };
}

/** Medians of batches. The counts take turns, so that neither the compiler nor a slow moment tells them apart. */
function pickNanoseconds(counts: readonly number[], policy: Policy, weights: readonly number[] | undefined): number[] {
  const pickers = counts.map((count) => pickerOf(count, policy, weights));
  const batches: number[][] = counts.map(() => []);
  for (let batch = 0; batch < WARM_UP_BATCHES + BATCHES; batch++) {
    pickers.forEach((picker, i) => {
      const nanoseconds = batchOf(picker);
      if (batch >= WARM_UP_BATCHES) batches[i]!.push(nanoseconds);
    });
  }
  return batches.map(median);
}

function pickerOf(count: number, policy: Policy, weights: readonly number[] | undefined): Picker {
  const connections = Array.from({ length: count }, (_, i): Connection => ({
    endpoint: {
      address: `10.0.${i >> 8}.${i & 255}:8000`,
      ...weights !== undefined && { weight: weights[i % weights.length]! },
    },
    state: "ready",
    available: true,
    inFlight: 0,
    failure: undefined,
    place: i,
    connect() {},
    disconnect() {},
  }));
  const picker = policy(connections, undefined, {
    now: () => performance.now(),
    random: Math.random,
    update() {},
    timer: () => ({ cancel() {} }),
    transport: () => undefined,
  });
  // Policies that learn have something to compare.
  connections.forEach((connection, i) => picker.done?.(connection, answeredIn(1 + i % 10), CALLS[0]!));
  return picker;
}

function answeredIn(latencyMs: number): Outcome {
  const method = Simple.method.route, trailer = new Headers();
  return { method, timeoutMs: undefined, end: "answered", abandoned: false, latencyMs, headerMs: latencyMs, trailer };
}

/** Calls with keys, for policies that hash. */
const CALLS: readonly CallInfo[] = Array.from({ length: 1_000 }, (_, i) => ({
  method: Simple.method.route,
  header: new Headers(),
  contextValues: createContextValues(),
  hashKey: `user-${i}@example.com`,
  excluded: () => false,
}));

function batchOf(picker: Picker): number {
  const start = performance.now();
  let inFlight = 0;
  for (let i = 0; i < PICKS; i++) {
    const picked = picker.pick(CALLS[i % CALLS.length]!);
    if (picked === "wait" || picked instanceof Error || !("inFlight" in picked)) throw new Error("nothing was picked");
    inFlight += picked.inFlight;
  }
  if (inFlight !== 0) throw new Error("a connection has calls in flight");
  return (performance.now() - start) / PICKS * 1e6;
}
