// gRPC's health checking protocol, the server's side.

import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  Health,
  type HealthCheckRequest,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { RouteOptions } from "../grpc/server/options.ts";
import { kind, oneOf } from "../option.ts";
import { endOf } from "./stream-end.ts";

/** The status of a service, with gRPC's words. */
export type ServingStatus = "SERVING" | "NOT_SERVING" | "UNKNOWN";

/** What a server says about its health; see {@link createHealth}. */
export interface ServerHealth {
  /** Adds `grpc.health.v1.Health` to a Connect router. `createGrpcServer({ health })` does it by itself. */
  readonly routes: (router: ConnectRouter, options?: RouteOptions) => void;
  /**
   * Sets the status of a service, which clients ask for by its name (`package.Service`) or by any name they agreed upon;
   * `""` is the server as a whole.
   *
   * @throws TypeError for anything but a service or a name, or for an unknown status.
   */
  setStatus(service: DescService | string, status: ServingStatus): void;
  /** The status that was set; undefined for an unknown service. */
  status(service: DescService | string): ServingStatus | undefined;
  /**
   * Reports every service as NOT_SERVING from now on, so that clients send their calls elsewhere; `shutdown()` begins
   * with it. A status that is set later applies once `resume` is called.
   */
  shutdown(): void;
  /** Reports what was set again. */
  resume(): void;
}

/** The most services that List answers with, in every implementation of gRPC. */
const MAX_LISTED = 100;

const aService = kind(
  'a service\'s name or its description, such as Simple of the generated code; "" is the server',
  (value) => typeof value === "string" || typeof (value as DescService | undefined)?.typeName === "string",
);
const aStatus = oneOf("SERVING", "NOT_SERVING", "UNKNOWN");

/**
 * Creates the health service of a server, `grpc.health.v1`: Check, Watch and List, as load balancers, Kubernetes and
 * `grpc_health_probe` ask for it. The server as a whole (`""`) is SERVING from the start; set the status of services
 * that can fail by themselves.
 *
 * ```ts
 * import { createGrpcServer, createHealth } from "connect-lb/server";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const health = createHealth();
 * const server = createGrpcServer({ routes: (router) => router.service(Simple, {}), health });
 * health.setStatus(Simple, "NOT_SERVING");
 * ```
 */
export function createHealth(): ServerHealth {
  return new HealthService();
}

class HealthService implements ServerHealth {
  readonly #statuses = new Map<string, ServingStatus>([["", "SERVING"]]);
  /** The watches that wait for a change, by service. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #shutDown = false;

  readonly routes = (router: ConnectRouter, options?: RouteOptions): void => {
    router.service(Health, {
      check: ({ service }) => {
        const status = this.#reported(service);
        if (status === undefined) throw new ConnectError("unknown service", Code.NotFound);
        return { status: Status[status] };
      },
      list: () => {
        if (this.#statuses.size > MAX_LISTED) {
          throw new ConnectError(`more than ${MAX_LISTED} services: ask for them by name`, Code.ResourceExhausted);
        }
        const names = [...this.#statuses.keys()];
        return {
          statuses: Object.fromEntries(names.map((name) => [name, { status: Status[this.#reported(name)!] }])),
        };
      },
      watch: (request, context) => this.#watch(request, context),
    }, options);
  };

  setStatus(service: DescService | string, status: ServingStatus): void {
    aService("service", service);
    aStatus("status", status);
    const name = nameOf(service);
    this.#statuses.set(name, status);
    this.#wake(name);
  }

  status(service: DescService | string): ServingStatus | undefined {
    aService("service", service);
    return this.#statuses.get(nameOf(service));
  }

  shutdown(): void {
    this.#shutDown = true;
    for (const name of this.#statuses.keys()) this.#wake(name);
  }

  resume(): void {
    this.#shutDown = false;
    for (const name of this.#statuses.keys()) this.#wake(name);
  }

  #reported(service: string): ServingStatus | undefined {
    const status = this.#statuses.get(service);
    return status !== undefined && this.#shutDown ? "NOT_SERVING" : status;
  }

  /** Whatever happened while the reader was slow, it gets the newest status next, and no status twice in a row. */
  async *#watch({ service }: HealthCheckRequest, { signal }: HandlerContext): AsyncIterable<{ status: Status }> {
    for (let sent: Status | undefined;;) {
      const status = Status[this.#reported(service) ?? "SERVICE_UNKNOWN"];
      if (status === sent) await this.#change(service, signal);
      else yield { status: sent = status };
    }
  }

  /** Resolves with the service's next change. @throws when the call ends first. */
  #change(service: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(service) ?? new Set();
      const done = () => {
        signal.removeEventListener("abort", end);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(service);
      };
      const wake = () => {
        done();
        resolve();
      };
      const end = () => {
        done();
        reject(endOf(signal));
      };
      if (signal.aborted) return end();
      this.#waiting.set(service, waiting.add(wake));
      signal.addEventListener("abort", end);
    });
  }

  #wake(service: string): void {
    for (const wake of [...this.#waiting.get(service) ?? []]) wake();
  }
}

function nameOf(service: DescService | string): string {
  return typeof service === "string" ? service : service.typeName;
}
