import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import type { Connection } from "../../connection/connection.ts";
import type { HealthCheck } from "../../health/health.ts";
import { endpointIdentity } from "../../endpoint.ts";

/** How many round trips of a server its percentiles are taken from. */
const WINDOW = 100;

/** What the probes of one server found. */
export interface ProbeReport {
  /** gRPC's name of the last status; undefined: it has no health service. */
  readonly status: string | undefined;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Probed {
  status: string | undefined;
  readonly tripsMs: number[];
}

/** Asks each connected server for its health at intervals, and measures how long the answer takes. */
export class HealthProbes {
  readonly #intervalMs: number;
  readonly #probed = new Map<string, Probed>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** For a transport's `health`. */
  readonly check: HealthCheck = (env) => {
    const running = new Map<Connection, AbortController>();
    return {
      ready: (connection, transport) => {
        const ending = new AbortController();
        running.set(connection, ending);
        env.report(connection, "serving");
        const again = async () => {
          await this.#ask(endpointIdentity(connection.endpoint), transport, ending.signal);
          if (!ending.signal.aborted) env.timer(this.#intervalMs, () => void again());
        };
        void again();
      },
      ended: (connection) => {
        running.get(connection)?.abort();
        running.delete(connection);
        this.#probed.delete(endpointIdentity(connection.endpoint));
      },
      close() {
        for (const ending of running.values()) ending.abort();
      },
    };
  };

  /** Undefined: the server has not answered yet. */
  report(identity: string): ProbeReport | undefined {
    const probed = this.#probed.get(identity);
    if (probed === undefined || probed.tripsMs.length === 0) return undefined;
    const sorted = probed.tripsMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
    return { status: probed.status, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  async #ask(identity: string, transport: Transport, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    let status: string | undefined;
    try {
      const answer = await createClient(HealthService, transport).check({ service: "" }, { signal, timeoutMs: 5_000 });
      status = Object.entries(Status).find(([, value]) => value === answer.status)?.[0];
    } catch (error) {
      if (signal.aborted) return;
      const { code } = ConnectError.from(error);
      // A server without the service, or without itself in it, has answered as well.
      if (code !== Code.Unimplemented && code !== Code.NotFound) status = `no answer: ${Code[code]}`;
    }
    const probed = this.#probed.get(identity) ?? { status, tripsMs: [] };
    this.#probed.set(identity, probed);
    probed.status = status;
    probed.tripsMs.push(performance.now() - startedMs);
    if (probed.tripsMs.length > WINDOW) probed.tripsMs.shift();
  }
}
