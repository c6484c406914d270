import { endpointIdentity } from "../../endpoint.ts";
import { textOf } from "../../error-text.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import { roundRobin } from "../../policy/round-robin.ts";
import type { Resolver } from "../../resolver/resolver.ts";
import { type BalancedTransport, createBalancedTransport } from "../../transport/transport.ts";
import { HealthProbes } from "./health-probes.ts";
import type { TopRow, TopSource } from "./top-sample.ts";

/** How long the first sample waits for servers to answer, in milliseconds. */
const FIRST_MS = 2_000, LOOK_EVERY_MS = 20;

/** What is watched, and how servers are called. */
export interface ProbeOptions {
  readonly resolver: Resolver;
  readonly tls: TlsSource | undefined;
  readonly intervalMs: number;
}

/**
 * What a program of its own can see of a service: which servers it can reach, what they say of their health, and how long
 * that takes. It makes no calls, so it knows nothing of other programs' calls.
 */
export function probeSource({ resolver, tls, intervalMs }: ProbeOptions): TopSource {
  const probes = new HealthProbes(intervalMs);
  const transport = createBalancedTransport({
    resolver,
    connector: grpcConnector({ tls }),
    policy: roundRobin(),
    health: [probes.check],
    panicShare: 0,
    ejectOutliers: false,
    idleTimeoutMs: Infinity,
  });
  let begun = false;
  return {
    title: "reached from here; p50 and p99 are of health checks, not of calls",
    async sample(signal) {
      if (!begun) {
        begun = true;
        // Servers that can't be reached are what there is to see.
        await transport.connect({ timeoutMs: FIRST_MS, signal }).catch(() => {});
        await firstAnswers(transport, probes, signal);
      }
      const { endpoints = [], stale } = transport.snapshot();
      return {
        rows: endpoints.map(({ endpoint, state, lastError }): TopRow => {
          const report = state === "ready" ? probes.report(endpointIdentity(endpoint)) : undefined;
          const health = report?.status;
          return {
            endpoint: endpoint.address,
            state,
            ...health !== undefined && { health },
            ...report !== undefined && { p50Ms: rounded(report.p50Ms), p99Ms: rounded(report.p99Ms) },
            ...endpoint.zone !== undefined && { zone: endpoint.zone },
            ...endpoint.weight !== undefined && { weight: endpoint.weight },
            ...state !== "ready" && lastError !== undefined && { why: textOf(lastError) },
          };
        }),
        ...stale !== undefined && { stale: textOf(stale.cause) },
      };
    },
    close: () => transport.close(),
  };
}

/** Waits until each server has answered or failed, as the first sample may be the only one. */
async function firstAnswers(transport: BalancedTransport, probes: HealthProbes, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + FIRST_MS;
  const waits = () => {
    return transport.snapshot().endpoints?.some(({ endpoint, state }) => {
      return state === "ready"
        ? probes.report(endpointIdentity(endpoint)) === undefined
        : state !== "transient_failure";
    });
  };
  while (!signal.aborted && performance.now() < untilMs && waits() !== false) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
