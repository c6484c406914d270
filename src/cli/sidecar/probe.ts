import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/grpc/health/v1/health_pb.ts";
import { textOf } from "../../error-text.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import { reach } from "../reach.ts";

/** Asks a server once whether it is healthy. Resolves to why it isn't, or to undefined; never rejects. */
export type Probe = (signal: AbortSignal) => Promise<string | undefined>;

/** Healthy is a server that accepts TCP connections. */
export function tcpProbe(address: string, timeoutMs: number): Probe {
  return async (signal) => {
    const { error } = await reach(address, timeoutMs, signal);
    return error === undefined ? undefined : `${address} doesn't accept connections: ${error}`;
  };
}

/** Who is asked for its health. */
export interface HealthTarget {
  readonly address: string;
  /** "" for the server as a whole. */
  readonly service: string;
  /** Undefined: without TLS. */
  readonly tls?: TlsSource | undefined;
}

/** Healthy is a server whose gRPC health service (`grpc.health.v1`) says that it is serving. */
export function grpcProbe({ address, service, tls }: HealthTarget, timeoutMs: number): Probe {
  const connector = grpcConnector({ connectTimeoutMs: timeoutMs, tls });
  return async (signal) => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const link = connector({ address }, { draining() {}, lost() {} });
    try {
      await link.connect?.(limited);
      const { status } = await createClient(Health, link.transport).check({ service }, { signal: limited });
      return status === Status.SERVING ? undefined : `${address} says that it is ${nameOf(status)}`;
    } catch (error) {
      return whyNot(address, error, limited);
    } finally {
      void link.close();
    }
  };
}

function nameOf(status: Status): string {
  return Object.entries(Status).find(([, value]) => value === status)?.[0] ?? `in state ${status}`;
}

function whyNot(address: string, error: unknown, { aborted }: AbortSignal): string {
  const code = error instanceof ConnectError ? error.code : undefined;
  if (code === Code.Unimplemented) return `${address} has no grpc.health.v1.Health: use --health tcp`;
  if (code === Code.NotFound) return `${address} doesn't know that service: check --health-service`;
  return aborted ? `${address} didn't answer in time` : `${address}: ${textOf(error)}`;
}
