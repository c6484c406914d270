import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import type { Endpoint } from "../../../src/endpoint.ts";
import { rawMethod } from "../../../src/raw-method.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import { createBalancedTransport } from "../../../src/transport/transport.ts";
import { SimulatedClock } from "./clock.ts";
import { Latencies } from "./latencies.ts";
import { type Network, simulatedConnector } from "./link.ts";
import { Random } from "./random.ts";
import { SimulatedServer } from "./server.ts";
import { type Contender, MEAN_WORK_MS, type Result, type Shape } from "./shape.ts";

/** How long the last calls may take, in simulated ms. */
const LAST_CALLS_MS = 60_000;

const IDEMPOTENT = rawMethod("/fleet.Service/Read", "unary", {
  idempotency: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
});
const OTHER = rawMethod("/fleet.Service/Write", "unary");
const INPUT = {};

/** Calls a second, of all clients. */
export function callRate(shape: Shape): number {
  const { servers, cores = 2, load, meanShare = 1, meanWorkMs = MEAN_WORK_MS } = shape;
  let speed = 0;
  for (let i = 0; i < servers; i++) speed += shape.speed?.(i) ?? 1;
  return load * meanShare * speed * cores / meanWorkMs * 1_000;
}

/**
 * Simulates a fleet: clients with the library's own transport, each of which makes its share of the calls at random
 * times (Poisson), over a network and servers that are models. The same seed leads to the same result.
 */
export async function simulate(shape: Shape, contender: Contender, seed: number): Promise<Result> {
  const fromMs = shape.warmUpSeconds * 1_000, toMs = fromMs + shape.seconds * 1_000;
  const random = new Random(seed);
  const [arrivals, works, faults] = [random.fork(), random.fork(), random.fork()];
  const clock = new SimulatedClock();
  const servers = Array.from({ length: shape.servers }, (_, i) =>
    new SimulatedServer(clock.model, random.fork(), {
      address: addressOf(i),
      cores: shape.cores ?? 2,
      speed: shape.speed?.(i) ?? 1,
    }));
  const sent = { attempt: 0, probe: 0 };
  const network: Network = {
    clock,
    rttMs: shape.rttMs ?? 0.5,
    servers: new Map(servers.map((server) => [server.address, server])),
    work: () => shape.work?.(works) ?? Math.max(0, works.normal(10, 10)),
    sent: (what) => void sent[what]++,
  };
  const endpoints = servers.map(({ address, speed }): Endpoint => ({
    address,
    ...contender.weights && { weight: speed },
  }));
  const transports = Array.from({ length: shape.clients }, () =>
    createBalancedTransport({
      resolver: staticResolver(endpoints),
      connector: simulatedConnector(network),
      clock,
      random: random.fork().next,
      idleTimeoutMs: Infinity,
      ...contender.options(),
    }));

  const counted = new Counted();
  const method = shape.idempotent === false ? OTHER : IDEMPOTENT;
  const everyMs = 1_000 / callRate(shape);
  let calls = 0;
  const begin = (transport: Transport) => {
    const startMs = clock.now();
    calls++;
    if (startMs >= fromMs) counted.begun++;
    const ended = (how: "succeeded" | "failed") => {
      if (startMs >= fromMs) counted.ended(how, clock.now() - startMs);
    };
    transport.unary(method, undefined, shape.timeoutMs, undefined, INPUT)
      .then(() => ended("succeeded"), () => ended("failed"));
  };
  const next = () => {
    if (clock.now() >= toMs) return;
    clock.timer(arrivals.exponential(everyMs), next);
    begin(transports[arrivals.below(transports.length)]!);
  };

  // Clients that are there before the first call; what can't be reached yet comes later.
  for (const transport of transports) transport.connect().catch(() => {});
  await clock.run(100);
  shape.script?.({ servers, clock: clock.model, random: faults, fromMs, toMs });
  clock.timer(0, next);
  await clock.run(fromMs);
  const before = servers.map((server) => server.arrived);
  await clock.run(toMs);
  const arrived = servers.map((server, i) => server.arrived - before[i]!);
  const { attempt, probe } = sent, made = calls;
  for (let endMs = toMs; counted.unfinished > 0 && endMs < toMs + LAST_CALLS_MS;) await clock.run(endMs += 500);
  const result = counted.result({ attemptsPerCall: attempt / made, probesPerCall: probe / made, arrived });
  for (const transport of transports) await transport.close();
  return result;
}

function addressOf(index: number): string {
  return `10.0.${index >> 8}.${index & 255}:80`;
}

/** What is counted of the calls that count. */
class Counted {
  begun = 0;
  readonly #ends = { succeeded: 0, failed: 0 };
  readonly #latencies = new Latencies();

  get unfinished(): number {
    return this.begun - this.#ends.succeeded - this.#ends.failed;
  }

  ended(how: "succeeded" | "failed", tookMs: number): void {
    this.#ends[how]++;
    this.#latencies.add(tookMs);
  }

  result(rest: Pick<Result, "attemptsPerCall" | "probesPerCall" | "arrived">): Result {
    const { unfinished } = this, latencies = this.#latencies;
    for (let i = 0; i < unfinished; i++) latencies.add(LAST_CALLS_MS);
    return {
      calls: this.begun,
      ...this.#ends,
      unfinished,
      meanMs: latencies.mean,
      p50Ms: latencies.quantile(0.5),
      p99Ms: latencies.quantile(0.99),
      p995Ms: latencies.quantile(0.995),
      p999Ms: latencies.quantile(0.999),
      ...rest,
    };
  }
}
