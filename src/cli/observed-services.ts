import type { Connector } from "../connection/link.ts";
import { grpcHealth } from "../health/grpc-health.ts";
import type { Registry } from "../registry/registry.ts";
import type { Clock } from "../time/clock.ts";
import { type BalancedTransport, createBalancedTransport } from "../transport/transport.ts";

/** How many services are looked at; more can't be told apart on a page. */
export const MOST_SERVICES = 200;
/** How long a service that is no longer registered is still looked at, in milliseconds: it may be back soon. */
const KEPT_MS = 600_000;

/**
 * Transports to services that are only looked at: each keeps connections to all servers of its service and hears of
 * their health, but makes no calls.
 */
export class ObservedServices {
  /** One for each service. */
  readonly transports: Set<BalancedTransport> = new Set();
  readonly #registry: Registry;
  readonly #connector: Connector;
  readonly #clock: Clock;
  readonly #byName = new Map<string, { readonly transport: BalancedTransport; seenMs: number }>();

  constructor(registry: Registry, connector: Connector, clock: Clock) {
    this.#registry = registry;
    this.#connector = connector;
    this.#clock = clock;
  }

  /** Looks at these services, the first 200 of them. One that is not among them any more is kept for ten minutes. */
  see(services: readonly string[]): void {
    const nowMs = this.#clock.now();
    for (const service of services) {
      const known = this.#byName.get(service);
      if (known !== undefined) known.seenMs = nowMs;
      else if (this.#byName.size < MOST_SERVICES) this.#add(service, nowMs);
    }
    for (const [service, { transport, seenMs }] of this.#byName) {
      if (nowMs - seenMs > KEPT_MS) this.#remove(service, transport);
    }
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.transports].map((transport) => transport.close()));
  }

  #add(service: string, seenMs: number): void {
    const transport = createBalancedTransport({
      resolver: this.#registry.resolver(service),
      connector: this.#connector,
      health: [grpcHealth()],
    });
    this.transports.add(transport);
    this.#byName.set(service, { transport, seenMs });
    // Whether servers can be reached is what is to be seen.
    transport.connect().catch(() => {});
  }

  #remove(service: string, transport: BalancedTransport): void {
    this.#byName.delete(service);
    this.transports.delete(transport);
    void transport.close();
  }
}
